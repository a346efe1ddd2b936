"""`soloist export`: make a served model from a checkpoint."""

from __future__ import annotations

from pathlib import Path

import click

from soloist.cli.parameter_types import UTF8
from soloist.cli.programs import load

# Repeated here, so that the help needs no torch; a test compares it with models/.
SERVED_ONLY = ("batch_current",)


@click.command()
@click.argument("checkpoint", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--repository", type=click.Path(path_type=Path), required=True, help="Folder of models to add it to.")
@click.option("--name", type=UTF8, help="Name of the model; default: <task>-<architecture>-<norm>.")
@click.option("--as", "norm", type=click.Choice(SERVED_ONLY), help="Serve the weights with this normaliser: a control.")
def export(checkpoint: Path, repository: Path, name: str | None, norm: str | None) -> None:
    """Export CHECKPOINT to ONNX, check that it equals PyTorch, and add it to a repository."""
    load("export.run", "run", extras="export")(checkpoint, repository, name, norm=norm or "")
