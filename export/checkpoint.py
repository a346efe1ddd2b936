"""The steps of an export, in order: fold, trace, lint, compare, measure, probe, certify, write."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import onnx
import torch

from export import accuracy, artifact, calibration, parity, repository
from export.errors import ExportError
from export.fold import fold
from export.graph import trace
from export.input_reference import refer_to
from export.manifest import is_control, manifest
from export.probe.file import probe_file
from export.signature import signature
from export.steps import OnStep
from models.data import Dataset, Split
from models.training import Checkpoint
from models.zoo import SequenceModel
from service.engine.graph import Graph
from service.engine.session import open_session
from soloist.v1.model_pb2 import Model

STEPS = ("tracing", "comparing with PyTorch", "measuring accuracy", "probing", "certifying", "writing")
# Adds to the manifest what else has been measured with the exported graph.
Amend = Callable[[Graph, Model], None]


def export_checkpoint(
    checkpoint: Checkpoint,
    folder: Path,
    *,
    name: str,
    version: int,
    dataset: Dataset,
    norm: str = "",
    control: bool = False,
    probed: bool = True,
    usual: Split | None = None,
    seen: Split | None = None,
    amend: Amend | None = None,
    progress: OnStep | None = None,
) -> Model:
    """Write `<folder>/<name>/<version>/model.onnx`, what belongs beside it, and `<folder>/<name>/config.pbtxt`.

    `dataset` is the one the checkpoint was trained on; `progress` is called with each of `STEPS`. With `norm`
    the trained weights are served with another normaliser (models.norm.SERVED_AS): a control beside the model it is
    compared with, whose checkpoint_sha256 it shares. `control` marks any other one that exists to fail. Without
    `probed` no probe is traced, which is a second trace, and no server can watch its normalisers. `usual` are
    sequences as they come when nothing has changed, from which the thresholds of skew and of the input drift are taken;
    default: the held-out split. `seen` are those that live inputs are compared with; default: the training split.
    `amend` is called before the manifest is certified. The same arguments give the same bytes on one machine.

    Returns:
        The manifest.

    Raises:
        ExportError: A check failed, and nothing was written: the place is taken, the data are others, the graph is not
            in the form that keeps bits, or differs from PyTorch.

    """
    tell = progress or (lambda _step: None)
    repository.check_place(folder, name, version)
    if dataset.sha256 != checkpoint.data_sha256:
        raise ExportError(f"the checkpoint was trained on other data than this {dataset.name}")
    origin = checkpoint.digest
    checkpoint = _served_as(checkpoint, norm) if norm else checkpoint
    with _one_thread():
        tell(STEPS[0])
        model = checkpoint.model()
        traced, folded = _traced(model)
        graph = Graph(open_session(traced.SerializeToString(deterministic=True)), signature(model))
        tell(STEPS[1])
        # With the model as it was trained, so that folding is compared too.
        agreement = parity.measure(model, graph, dataset.train)
        tell(STEPS[2])
        held_out = accuracy.measure(graph, dataset.test)
        described = manifest(
            checkpoint, folded, agreement, held_out, name=name, version=version, checkpoint_sha256=origin
        )
        described.control = described.control or control
        described.calibration.CopyFrom(calibration.measure(graph, dataset, checkpoint.architecture, checkpoint.seed))
        if amend:
            amend(graph, described)
        usual = usual or dataset.test
        refer_to(seen or dataset.train, usual, described)
        tell(STEPS[3])
        probe = probe_file(model, graph, described, usual) if probed else None
        tell(STEPS[4])
        one_step = artifact.one_step_file(traced, described)
        artifact.certify(traced, described, dataset.train, one_step)
    tell(STEPS[5])
    artifact.write(folder, traced, described, one_step=one_step, probe=probe)
    return described


def _traced(model: SequenceModel) -> tuple[onnx.ModelProto, frozenset[str]]:
    folded_model, folded = fold(model)
    traced = trace(folded_model)
    if not is_control(model.config.norm):
        artifact.refuse_by_lint(traced)
    return traced, folded


def _served_as(checkpoint: Checkpoint, norm: str) -> Checkpoint:
    try:
        return checkpoint.served_as(norm)
    except ValueError as error:
        raise ExportError(str(error)) from error


@contextmanager
def _one_thread() -> Iterator[None]:
    """Keep PyTorch's sums, and so the figures in the manifest, from depending on the number of cores."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
