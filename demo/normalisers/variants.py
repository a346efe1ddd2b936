"""Who is compared, and how the models that need no training are made from the BatchNorm checkpoint.

All of them share one checkpoint's weights; only what the BatchNorms normalise with differs. What is wrong with the
statistics was fixed by reasoning, before anything was measured:

- "shifted": of the whole training split, every value times 2, as behind an amplifier of twice the gain; the factor that
  demo/monitoring plays first;
- "few": of too few batches: one batch of 8 training sequences drawn at random.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from demo.plan import ARCHITECTURES, TASK

if TYPE_CHECKING:
    from models.data import Dataset
    from models.training import Checkpoint
    from soloist.v1.model_pb2 import Model

LAYER, RUNNING, CURRENT, SHIFTED, FEW = "layer", "running", "current", "shifted", "few"
KINDS = {
    LAYER: "LayerNorm",
    RUNNING: "BatchNorm, running statistics",
    CURRENT: "BatchNorm without them",
    SHIFTED: "BatchNorm, shifted statistics",
    FEW: "BatchNorm, too few statistics",
}
_SUFFIXES = {
    LAYER: "layer",
    RUNNING: "batch",
    CURRENT: "batch_current",
    SHIFTED: "batch-shifted",
    FEW: "batch-few",
}
SHIFTED_GAIN = 2.0
FEW_SEQUENCES = 8


def name_of(architecture: str, kind: str) -> str:
    """Return the name of a model in the repository."""
    return f"{TASK}-{architecture}-{_SUFFIXES[kind]}"


def derived_names() -> list[str]:
    """Return the names of the models that are made without training."""
    return [name_of(architecture, kind) for architecture in ARCHITECTURES for kind in (CURRENT, SHIFTED, FEW)]


def export_derived(checkpoint: Checkpoint, repository: Path, dataset: Dataset, *, seed: int) -> None:
    """Export the three that a BatchNorm checkpoint gives; raises ExportError."""
    from export import export_checkpoint
    from models.training.recalibration import recalibrated

    def export(kind: str, made: Checkpoint, norm: str = "") -> None:
        name = name_of(checkpoint.architecture, kind)
        export_checkpoint(made, repository, name=name, version=1, dataset=dataset, norm=norm, control=True)

    export(CURRENT, checkpoint, "batch_current")
    sequences = dataset.train.sequences
    # With a pseudo-count of 0 nothing is left of the statistics before.
    shifted = [(frames * SHIFTED_GAIN).astype(frames.dtype) for frames in sequences]
    export(SHIFTED, recalibrated(checkpoint, shifted, 0.0))
    drawn = np.random.default_rng(seed).choice(len(sequences), FEW_SEQUENCES, replace=False)
    export(FEW, recalibrated(checkpoint, [sequences[index] for index in drawn], 0.0))


def what_it_reads(kind: str, manifest: Model) -> str:
    """Return in words what the normaliser takes its moments from, by what the artifact says of itself."""
    done = manifest.provenance.recalibration
    match kind:
        case "layer":
            return "the frame itself"
        case "current":
            return "whoever shares the batch"
        case "shifted":
            return f"{done.frames:,} training frames, ×{SHIFTED_GAIN:g}"
        case "few":
            return f"{done.frames:,} frames of {done.sequences} sequences"
    return f"{manifest.norm_layers[0].statistics_frames:,} training frames"
