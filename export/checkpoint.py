"""Owns the steps of an export, in order: fold, trace, check, compare, measure, describe, write."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from export import accuracy, form, parity, repository
from export.config_pbtxt import config_pbtxt
from export.errors import ExportError
from export.fold import fold
from export.graph import trace
from export.manifest import METADATA_KEY, manifest, to_json
from export.runtime import Runtime
from models.data import Dataset
from models.training import Checkpoint
from soloist.v1.model_pb2 import Model

STEPS = ("tracing", "comparing with PyTorch", "measuring accuracy", "writing")
Progress = Callable[[str], None]


def export_checkpoint(
    checkpoint: Checkpoint,
    folder: Path,
    *,
    name: str,
    version: int,
    dataset: Dataset,
    progress: Progress | None = None,
) -> Model:
    """Write `<folder>/<name>/<version>/model.onnx` and `<folder>/<name>/config.pbtxt`, and return the manifest.

    `dataset` is the one the checkpoint was trained on; `progress` is told each of `STEPS` as it begins. The same
    checkpoint gives the same bytes on one machine. Raises ExportError, and writes nothing, when a check fails: the
    place is taken, the data are others, the graph is not in the form that keeps bits, or differs from PyTorch.
    """
    tell = progress or (lambda _step: None)
    repository.check_place(folder, name, version)
    if dataset.sha256 != checkpoint.data_sha256:
        raise ExportError(f"the checkpoint was trained on other data than this {dataset.name}")
    with _one_thread():
        tell(STEPS[0])
        model = checkpoint.model()
        folded_model, folded = fold(model)
        traced = trace(folded_model)
        form.check(traced)
        runtime = Runtime(traced.SerializeToString(deterministic=True))
        tell(STEPS[1])
        # With the model as it was trained, so that folding is compared too.
        agreement = parity.measure(model, runtime, dataset.train)
        tell(STEPS[2])
        held_out = accuracy.measure(runtime, dataset.test)
        described = manifest(checkpoint, folded, agreement, held_out, name=name, version=version)
    tell(STEPS[3])
    traced.metadata_props.add(key=METADATA_KEY, value=to_json(described))
    content = traced.SerializeToString(deterministic=True)
    repository.write(folder, name, version, content, config_pbtxt(described))
    return described


@contextmanager
def _one_thread() -> Iterator[None]:
    """Keep PyTorch's sums, and so the figures in the manifest, from depending on the number of cores."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
