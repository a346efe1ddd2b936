"""Owns `python -m export.matrix`: every model of the zoo trained, exported, quantised and certified, as one table.

What a repository holds already isn't made again, so the command can be stopped and taken up.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from export.certification import read_model
from export.checkpoint import export_checkpoint
from export.quantise import quantise_model
from models.data import Dataset, load
from models.training import train
from models.training.run import bar
from models.zoo import configuration
from soloist.v1 import certificate_pb2 as pb
from soloist.v1.model_pb2 import Model

_TASKS = ("vowels", "digits", "languages")
_ARCHITECTURES = ("lstm", "tcn", "transformer")
_NORMS = ("none", "layer", "rms", "batch", "batch_step")
_ONLY_LSTM = frozenset({"batch_step"})
_INT8 = "int8-static"
_WORDS = {pb.VERDICT_BITWISE: "bitwise", pb.VERDICT_ULP: "ulp", pb.VERDICT_NONE: "none"}
_DIMENSIONS = {pb.DIMENSION_BATCH: "batch", pb.DIMENSION_PADDING: "padding", pb.DIMENSION_CHUNKING: "chunking"}


@dataclass(frozen=True, kw_only=True)
class Row:
    """One artifact: held-out accuracy, and a verdict for each dimension."""

    model: str
    precision: str
    accuracy: float
    verdicts: dict[str, str]

    @classmethod
    def of(cls, model: Model) -> Row:
        """Read it off a manifest."""
        verdicts = {_DIMENSIONS[v.dimension]: _WORDS[v.verdict] for v in model.certificate.verdicts}
        return cls(model=model.name, precision=model.precision, accuracy=model.accuracy.ratio, verdicts=verdicts)

    @property
    def is_bitwise(self) -> bool:
        """Tell whether all three dimensions are proved."""
        return set(self.verdicts.values()) == {"bitwise"} and len(self.verdicts) == len(_DIMENSIONS)


def names(tasks: Sequence[str], architectures: Sequence[str], norms: Sequence[str]) -> Iterator[str]:
    """Yield the names of the zoo's models that exist."""
    for task in tasks:
        for architecture in architectures:
            for norm in norms:
                if norm not in _ONLY_LSTM or architecture == "lstm":
                    yield f"{task}-{architecture}-{norm}"


def make(name: str, repository: Path, *, epochs: int | None, quantise: bool, console: Console) -> Iterator[Row]:
    """Yield the float32 artifact and its static int8 one, made where they are missing."""
    task, architecture, config = configuration(name)
    dataset = load(task)

    def float32() -> Model:
        with bar(console, name) as progress:
            checkpoint = train(dataset, architecture, config, seed=0, epochs=epochs, progress=progress)
        return export_checkpoint(checkpoint, repository, name=name, version=1, dataset=dataset)

    yield Row.of(_found_or_made(repository, name, float32))
    if quantise:
        yield Row.of(_found_or_made(repository, f"{name}-{_INT8}", lambda: _quantised(name, repository, dataset)))


def _quantised(name: str, repository: Path, dataset: Dataset) -> Model:
    source = repository / name / "1" / "model.onnx"
    return quantise_model(source, repository, method="static", dataset=dataset, name=f"{name}-{_INT8}", version=1)


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
@click.option("--float32-only", is_flag=True, help="Leave the int8 variants out.")
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
    """Train, export, quantise and certify the zoo. Exit code 0 when every certificate is bitwise, else 1."""
    console, rows = Console(stderr=True), []
    for name in names(tasks, architectures, norms):
        for row in make(name, repository, epochs=epochs, quantise=not float32_only, console=console):
            rows.append(row)
            verdicts = " ".join(f"{dimension} {verdict}" for dimension, verdict in row.verdicts.items())
            console.print(f"{row.model}: {row.accuracy:.2%}, {verdicts}", highlight=False)
    if as_json:
        for row in rows:
            click.echo(json.dumps(asdict(row)))
    else:
        table = Table("model", "precision", "held-out", *_DIMENSIONS.values())
        for row in rows:
            cells = (row.verdicts.get(dimension, "") for dimension in _DIMENSIONS.values())
            table.add_row(row.model, row.precision, f"{row.accuracy:.2%}", *cells)
        Console().print(table)
    raise SystemExit(0 if all(row.is_bitwise for row in rows) else 1)


if __name__ == "__main__":
    main(prog_name="python -m export.matrix")
