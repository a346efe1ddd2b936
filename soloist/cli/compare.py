"""`soloist compare`: what the answer to one sequence depends on, for a model and its siblings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeVar

import click

from soloist.cli.parameter_types import UTF8
from soloist.cli.programs import load
from soloist.cli.session import connected, server_options, signature_of, version_option
from soloist.integers import LARGEST_INT32, LARGEST_INT64

if TYPE_CHECKING:
    from soloist.client import Condition

_Number = TypeVar("_Number", int, float)
_COUNTS, _SCALES = (1, 7, 31), (1.0, 10.0, 100.0)
_PLOT_SUFFIXES = (".svg", ".png")


def _ints(text: str) -> tuple[int, ...]:
    found = _numbers(text, int)
    if any(abs(each) > LARGEST_INT32 for each in found):
        raise click.BadParameter(f"{text!r} has a number above {LARGEST_INT32}")
    return found


def _floats(text: str) -> tuple[float, ...]:
    return _numbers(text, float)


def _numbers(text: str, kind: Callable[[str], _Number]) -> tuple[_Number, ...]:
    try:
        return tuple(kind(part) for part in text.split(","))
    except ValueError:
        raise click.BadParameter(f"{text!r} is not a list of numbers such as 1,7,31") from None


def _plot_file(_ctx: click.Context, _parameter: click.Parameter, path: Path | None) -> Path | None:
    if path is not None and path.suffix not in _PLOT_SUFFIXES:
        raise click.BadParameter(f"the name must end in {' or '.join(_PLOT_SUFFIXES)}")
    return path


@click.command()
@click.argument("model", type=UTF8)
@click.argument("source", metavar="[FILE]", type=click.File("rb"), default="-")
@version_option
@click.option(
    "--sibling", "siblings", type=UTF8, multiple=True, metavar="MODEL", help="Compare with it; may be given again."
)
@click.option("--neighbours", "counts", type=_ints, metavar="N,N", help="How many others share the batch, as 1,7,31.")
@click.option("--scales", type=_floats, metavar="X,X", help="Factors on the neighbours' values, as 1,10,100.")
@click.option("--padded", type=_ints, metavar="N,N", help="Pad with zeros to this many frames, as 50,100.")
@click.option("--chunks", type=_ints, metavar="N,N", help="Cut into chunks of this many frames, as 1,7.")
@click.option(
    "--neighbour-file",
    "neighbours",
    type=click.File("rb"),
    multiple=True,
    help="A sequence that shares the batch; may be given again; default: random ones.",
)
@click.option(
    "--seed",
    type=click.IntRange(-LARGEST_INT64, LARGEST_INT64),
    default=0,
    show_default=True,
    help="Seed of the random neighbours.",
)
@click.option("--format", "form", type=click.Choice(["npy", "csv", "text"]), help="Default: detected.")
@click.option("--plot", type=click.Path(dir_okay=False, path_type=Path), callback=_plot_file, help="Draw: .svg, .png.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@server_options
def compare(
    model: str,
    source: BinaryIO,
    version: int | str | None,
    siblings: tuple[str, ...],
    counts: tuple[int, ...] | None,
    scales: tuple[float, ...] | None,
    padded: tuple[int, ...] | None,
    chunks: tuple[int, ...] | None,
    neighbours: tuple[BinaryIO, ...],
    seed: int,
    form: str | None,
    plot: Path | None,
    as_json: bool,
    server: str,
    timeout_seconds: float,
) -> None:
    """Run one sequence through MODEL and its siblings: alone, in a batch, padded, and cut into chunks.

    FILE as for predict. Siblings are by default the models of the same task and architecture with LayerNorm or
    BatchNorm, and the controls. Without options the server chooses what to vary. The exit code is 0 whatever the
    result.
    """
    from soloist.cli.comparison_text import as_object, show
    from soloist.cli.inputs import form_of, read_whole

    draw = load("soloist.cli.comparison_plot", "draw") if plot is not None else None  # missing extras show at once
    conditions = _conditions(counts, scales, padded, chunks, supplied=len(neighbours))
    with connected(server, timeout_seconds) as client:
        signature = signature_of(client, model, version)
        frames, *others = [
            read_whole(each, form_of(each, form, signature), signature) for each in (source, *neighbours)
        ]
        comparison = client.compare(
            model, frames, version=version, siblings=siblings, conditions=conditions, neighbours=others, seed=seed
        )
    if as_json:
        click.echo(as_object(comparison))
    else:
        show(comparison)
    if draw is not None:
        draw(comparison, plot)


def _conditions(
    counts: tuple[int, ...] | None,
    scales: tuple[float, ...] | None,
    padded: tuple[int, ...] | None,
    chunks: tuple[int, ...] | None,
    *,
    supplied: int,
) -> list[Condition]:
    """Return the chosen conditions; empty if the server is to choose."""
    from soloist.client import BatchNeighbours, Chunked, Padded

    if counts is None and scales is not None:
        counts = (supplied,) if supplied else _COUNTS
    if scales is None:
        scales = (1.0,) if supplied else _SCALES
    company = [BatchNeighbours(count, scale) for scale in scales for count in counts or ()]
    return [*company, *map(Padded, padded or ()), *map(Chunked, chunks or ())]
