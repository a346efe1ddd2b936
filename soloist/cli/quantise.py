"""`soloist quantise`: make an int8 sibling of an exported model."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from soloist.cli.parameter_types import UTF8
from soloist.cli.programs import load


@click.command()
@click.argument("model")
@click.option("--repository", type=click.Path(path_type=Path), required=True, help="Folder of models to add it to.")
@click.option(
    "--method",
    type=click.Choice(["static", "weights", "dynamic"]),
    default="static",
    show_default=True,
    help="Calibrated int8, int8 weights alone, or the common method, which breaks the promise: a control.",
)
@click.option("--name", type=UTF8, help="Name of the new model; default: <model>-int8-<method>.")
def quantise(model: str, repository: Path, method: str, name: str | None) -> None:
    """Quantise MODEL to int8, certify it, and add it to a repository.

    MODEL is a float32 model: a name in the repository, whose newest version is taken, or a path to a file or folder.
    Exit codes: 0 done, 1 not.
    """
    sys.exit(load("export.quantise.run", "run", extras="export")(model, repository, method=method, name=name))
