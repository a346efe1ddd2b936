"""Owns the steps of an export, in order: fold, trace, lint, compare, measure, certify, write."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import onnx
import torch

from export import accuracy, parity, repository
from export.certification import certify_model
from export.config_pbtxt import config_pbtxt
from export.errors import ExportError
from export.fold import fold
from export.graph import trace
from export.lint import lint_model
from export.manifest import METADATA_KEY, is_control, manifest, to_json
from export.signature import signature
from models.data import Dataset
from models.training import Checkpoint
from service.certificate import Budget
from service.engine.graph import Graph
from service.engine.session import open_session
from soloist.v1.certificate_pb2 import Certificate
from soloist.v1.model_pb2 import Model

STEPS = ("tracing", "comparing with PyTorch", "measuring accuracy", "certifying", "writing")
# Enough to try every form that is known to break and some hundred random ones. The number ends it, so that the same
# checkpoint gives the same file; the time is there for models that are very large.
CERTIFICATE_BUDGET = Budget(seconds=120, max_cases=400)
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
        if not is_control(checkpoint.config.norm):
            _refuse_by_lint(traced)
        graph = Graph(open_session(traced.SerializeToString(deterministic=True)), signature(model))
        tell(STEPS[1])
        # With the model as it was trained, so that folding is compared too.
        agreement = parity.measure(model, graph, dataset.train)
        tell(STEPS[2])
        held_out = accuracy.measure(graph, dataset.test)
        described = manifest(checkpoint, folded, agreement, held_out, name=name, version=version)
        tell(STEPS[3])
        described.certificate.CopyFrom(_certificate(traced, described, dataset))
    tell(STEPS[4])
    traced.metadata_props.add(key=METADATA_KEY, value=to_json(described))
    content = traced.SerializeToString(deterministic=True)
    repository.write(folder, name, version, content, config_pbtxt(described))
    return described


def _refuse_by_lint(traced: onnx.ModelProto) -> None:
    if findings := lint_model(traced):
        faults = "; ".join(f"{finding.op} ({finding.node}): {finding.why}" for finding in findings)
        raise ExportError(f"the graph is not in the form that keeps bits: {faults}")


def _certificate(traced: onnx.ModelProto, described: Model, dataset: Dataset) -> Certificate:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        onnx.save(traced, path)
        return certify_model(path, described, CERTIFICATE_BUDGET, samples=dataset.train.sequences)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Keep PyTorch's sums, and so the figures in the manifest, from depending on the number of cores."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
