"""`python -m export.matrix`: every model of the zoo trained, exported, quantised and certified, as one table.

Beside them stand two controls, which have to fail: dynamic int8, and BatchNorm with the statistics of the batch at
hand; the table says at which node. What a repository holds already isn't made again, so the command can be stopped and
taken up.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from export.certification import read_model
from export.checkpoint import export_checkpoint
from export.quantise import quantise_model
from export.quantise.model import Method, precision
from models.data import load
from models.training import Checkpoint, train
from models.training.command import bar
from models.zoo import configuration
from soloist.json_text import json_text
from soloist.v1 import certificate_pb2 as pb
from soloist.v1.model_pb2 import Model

_TASKS = ("vowels", "digits", "languages")
_ARCHITECTURES = ("lstm", "tcn", "transformer")
_NORMS = ("none", "layer", "rms", "batch", "batch_step")
_ONLY_LSTM = frozenset({"batch_step"})
_STATIC, _DYNAMIC, _CURRENT = "int8-static", "int8-dynamic", "batch_current"
_WORDS = {pb.VERDICT_BITWISE: "bitwise", pb.VERDICT_ULP: "ulp", pb.VERDICT_NONE: "none"}
_DIMENSIONS = {pb.DIMENSION_BATCH: "batch", pb.DIMENSION_PADDING: "padding", pb.DIMENSION_CHUNKING: "chunking"}


@dataclass(frozen=True, kw_only=True)
class Row:
    """One artifact: held-out accuracy, a verdict for each dimension, and for a control the node at which it fails."""

    model: str
    precision: str
    control: bool
    accuracy: float
    verdicts: dict[str, str]
    node: str

    @classmethod
    def of(cls, model: Model) -> Row:
        """Read it off a manifest."""
        verdicts = {_DIMENSIONS[v.dimension]: _WORDS[v.verdict] for v in model.certificate.verdicts}
        failing = [v.failing_case for v in model.certificate.verdicts if v.HasField("failing_case")]
        return cls(
            model=model.name,
            precision=model.precision,
            control=model.control,
            accuracy=model.accuracy.ratio,
            verdicts=verdicts,
            node=f"{failing[0].node} ({failing[0].operator})" if failing else "",
        )

    @property
    def is_as_predicted(self) -> bool:
        """Return whether all three dimensions are proved; of a control, whether its batch is not."""
        if self.control:
            return self.verdicts.get("batch") != "bitwise"
        return set(self.verdicts.values()) == {"bitwise"} and len(self.verdicts) == len(_DIMENSIONS)


def names(tasks: Sequence[str], architectures: Sequence[str], norms: Sequence[str]) -> Iterator[str]:
    """Yield the names of the zoo's models that exist."""
    for task in tasks:
        for architecture in architectures:
            for norm in norms:
                if norm not in _ONLY_LSTM or architecture == "lstm":
                    yield f"{task}-{architecture}-{norm}"


def make(name: str, repository: Path, *, epochs: int | None, quantise: bool, console: Console) -> Iterator[Row]:
    """Yield the float32 artifact, its int8 forms, and the controls, made where they are missing."""
    task, architecture, config = configuration(name)
    dataset = load(task)

    @functools.cache
    def checkpoint() -> Checkpoint:
        with bar(console, name) as progress:
            return train(dataset, architecture, config, seed=0, epochs=epochs, progress=progress)

    def exported(as_name: str, norm: str = "") -> Model:
        return export_checkpoint(checkpoint(), repository, name=as_name, version=1, dataset=dataset, norm=norm)

    def quantised(method: Method) -> Model:
        source = repository / name / "1" / "model.onnx"
        as_name = f"{name}-{precision(method)}"
        return quantise_model(source, repository, method=method, dataset=dataset, name=as_name, version=1)

    yield Row.of(_found_or_made(repository, name, lambda: exported(name)))
    if config.norm == "batch":
        current = f"{task}-{architecture}-{_CURRENT}"
        yield Row.of(_found_or_made(repository, current, lambda: exported(current, _CURRENT)))
    if quantise:
        yield Row.of(_found_or_made(repository, f"{name}-{_STATIC}", lambda: quantised("static")))
        yield Row.of(_found_or_made(repository, f"{name}-{_DYNAMIC}", lambda: quantised("dynamic")))


def _found_or_made(repository: Path, name: str, build: Callable[[], Model]) -> Model:
    path = repository / name / "1" / "model.onnx"
    return read_model(path) if path.exists() else build()


@click.command()
@click.option("--repository", type=click.Path(path_type=Path), default=Path("out/matrix"), show_default=True)
@click.option("--task", "tasks", multiple=True, default=_TASKS, show_default=True, type=click.Choice(_TASKS))
@click.option(
    "--architecture", "architectures", multiple=True, default=_ARCHITECTURES, type=click.Choice(_ARCHITECTURES)
)
@click.option("--norm", "norms", multiple=True, default=_NORMS, show_default=True, type=click.Choice(_NORMS))
@click.option("--epochs", type=click.IntRange(min=1), help="Most epochs, for a quick look.")
@click.option("--float32-only", is_flag=True, help="Leave the int8 forms out.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
def main(
    repository: Path,
    tasks: Sequence[str],
    architectures: Sequence[str],
    norms: Sequence[str],
    epochs: int | None,
    float32_only: bool,
    as_json: bool,
) -> None:
    """Train, export, quantise and certify the zoo. Exit code 0 when all is bitwise, and no control is, else 1."""
    console, rows = Console(stderr=True), []
    for name in names(tasks, architectures, norms):
        for row in make(name, repository, epochs=epochs, quantise=not float32_only, console=console):
            rows.append(row)
            verdicts = " ".join(f"{dimension} {verdict}" for dimension, verdict in row.verdicts.items())
            console.print(f"{row.model}: {row.accuracy:.2%}, {verdicts}", highlight=False)
    if as_json:
        for row in rows:
            click.echo(json_text(asdict(row)))
    else:
        table = Table("model", "precision", "held-out", *_DIMENSIONS.values(), "first node")
        for row in rows:
            cells = (row.verdicts.get(dimension, "") for dimension in _DIMENSIONS.values())
            table.add_row(row.model, row.precision, f"{row.accuracy:.2%}", *cells, row.node)
        Console().print(table)
    raise SystemExit(0 if all(row.is_as_predicted for row in rows) else 1)


if __name__ == "__main__":
    main(prog_name="python -m export.matrix")
