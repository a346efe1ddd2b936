"""The step from live sequences to a model's next version; the version that is served stays as it is."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from export.checkpoint import export_checkpoint
from export.errors import ExportError
from export.recalibrate.labelled_traffic import LabelledTraffic, amend
from export.repository import next_version
from export.steps import OnStep
from models.data import Dataset, Split
from models.training import Checkpoint, recalibrated
from soloist.v1.model_pb2 import Model


def propose(
    served: Model,
    checkpoint: Checkpoint,
    sequences: Sequence[npt.NDArray[Any]],
    pseudo_count: float,
    *,
    folder: Path,
    dataset: Dataset,
    version: int | None = None,
    usual: Sequence[npt.NDArray[Any]] | None = None,
    labelled: LabelledTraffic | None = None,
    progress: OnStep | None = None,
) -> tuple[Model, Checkpoint]:
    """Write the next version of `served` into the repository at `folder`, certified; return manifest and checkpoint.

    `checkpoint` is the one that `served` was made of; `sequences` are live ones, [time, feature] or [time] tokens, each
    whole; `pseudo_count` is what the stored statistics count for, in sequences. Live inputs will be compared with these
    sequences. The thresholds of skew and of the input drift are those of the live sequences, or better of `usual` ones
    that the statistics are not made of. With `labelled` ones the manifest
    has accuracy and calibration under live traffic. `version` is for another repository than that of `served`. Keep the
    checkpoint: the next recalibration begins with it.

    Raises ExportError, and writes nothing, when the checkpoint is another, when it has no statistics to blend, or when
    a check of the export fails.
    """
    if served.provenance.checkpoint_sha256 != checkpoint.digest or served.norm != checkpoint.config.norm:
        raise ExportError(f"{served.name} version {served.version} was not made of this checkpoint")
    try:
        blended = recalibrated(checkpoint, sequences, pseudo_count)
    except ValueError as error:
        raise ExportError(str(error)) from error
    model = export_checkpoint(
        blended,
        folder,
        name=served.name,
        version=version or next_version(folder, served.name),
        dataset=dataset,
        usual=_unlabelled(usual or sequences),
        seen=_unlabelled(sequences),
        amend=None if labelled is None else partial(amend, labelled),
        progress=progress,
    )
    return model, blended


def _unlabelled(sequences: Sequence[npt.NDArray[Any]]) -> Split:
    return Split(sequences=list(sequences), labels=np.zeros(len(sequences), dtype=np.int64))
