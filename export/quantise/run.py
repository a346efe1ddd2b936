"""One quantisation as a command: a model of a repository gets an int8 sibling beside it."""

from __future__ import annotations

import sys
from pathlib import Path

from rich.console import Console

from export import steps
from export.certification import read_model
from export.certify import word
from export.errors import ExportError
from export.quantise.model import STEPS, Method, precision, quantise_model
from export.repository import next_version
from models.data import DataError, load
from soloist.v1 import certificate_pb2 as pb
from soloist.v1.model_pb2 import Model

FILE = "model.onnx"
DIMENSIONS = {pb.DIMENSION_BATCH: "batch", pb.DIMENSION_PADDING: "padding", pb.DIMENSION_CHUNKING: "chunking"}


def run(model: str, repository: Path, *, method: Method, name: str | None) -> int:
    """Quantise a model as `quantise` does; returns 0, or 1 when that failed, and says why."""
    try:
        quantise(model, repository, method=method, name=name)
    except (ExportError, DataError) as error:
        sys.stderr.write(f"soloist: {error}\n")
        return 1
    return 0


def quantise(model: str, repository: Path, *, method: Method, name: str | None = None) -> Model:
    """Quantise a model under `name`, by default "<its name>-int8-<method>", as the next free version.

    Raises ExportError when `model` isn't found or a check fails, and DataError when its task is unknown.
    """
    source = find(model, repository)
    described = read_model(source)
    name = name or f"{described.name}-{precision(method)}"
    version = next_version(repository, name)
    dataset = load(described.task)
    console = Console(stderr=True)
    with steps.shown(name, STEPS, console) as progress:
        made = quantise_model(
            source, repository, method=method, dataset=dataset, name=name, version=version, progress=progress
        )
    console.print(_summary(described, made, repository), soft_wrap=True, highlight=False)
    return made


def find(model: str, repository: Path) -> Path:
    """Return the file of a model: its newest version in the repository, or a file or folder by path.

    Raises ExportError when there is none.
    """
    given = Path(model)
    for place in (repository / model, given):
        versions = [path for path in place.glob(f"*/{FILE}") if path.parent.name.isdecimal()]
        if versions:
            return max(versions, key=lambda path: int(path.parent.name))
    for path in (given / FILE, given):
        if path.is_file():
            return path
    raise ExportError(f"no model {model!r} in {repository}, and no {FILE} there by that path")


def _summary(source: Model, made: Model, repository: Path) -> str:
    proved = ", ".join(f"{DIMENSIONS[verdict.dimension]} {word(verdict)}" for verdict in made.certificate.verdicts)
    return (
        f"{repository / made.name / str(made.version)}: held-out accuracy {made.accuracy.ratio:.4f} "
        f"({source.accuracy.ratio:.4f} in float32), outputs differ from float32 by "
        f"{made.parity.tensors[0].max_abs_difference:.2g} at most; {proved}"
    )
