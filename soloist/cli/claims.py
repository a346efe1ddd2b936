"""`soloist claims`: the claims about LayerNorm and BatchNorm, measured."""

from __future__ import annotations

import os
from pathlib import Path

import click

from soloist.cli.programs import load

_COUNT = click.IntRange(1, 10_000)  # beyond it there is no end, or no memory


def _numbers(_ctx: click.Context, _parameter: click.Parameter, value: str | None) -> list[int]:
    try:
        return [int(part) for part in value.split(",")] if value else []
    except ValueError:
        raise click.BadParameter("numbers with commas between them, such as 24,27") from None


@click.command()
@click.option("--only", metavar="N,N…", callback=_numbers, help="Numbers of claims.  [default: all]")
@click.option("--seeds", type=_COUNT, default=5, show_default=True, help="How many of each experiment.")
@click.option("--quick", is_flag=True, help="One seed, less data, no intervals: a look at the experiments.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("out/claims"),
    show_default=True,
    help="Folder of the report. What is computed is kept there, so that a run that was stopped goes on.",
)
@click.option("--language", type=click.Choice(["en", "zh"]), default="en", show_default=True, help="Of the report.")
@click.option("--processes", type=_COUNT, default=os.cpu_count() or 1, show_default="cores", help="At a time.")
@click.option(
    "--figures",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="The claims.json of a run, to be judged and reported once more: nothing is measured.",
)
def claims(**arguments: object) -> None:
    """Measure what is said about LayerNorm and BatchNorm, claim by claim, and print a verdict for each.

    Writes claims.json, with the figures of every seed, and a report that is one page. The full run takes hours.
    """
    run = load("claims.run", "run", extras="export,bench")
    try:
        run(**arguments)
    except ValueError as error:
        raise click.ClickException(str(error)) from error
