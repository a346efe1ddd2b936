"""`soloist demo`: train, export, serve, stream and measure on real data."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from soloist.cli.programs import load


@click.command()
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("out/demo"), show_default=True, help="Folder of the report."
)
def demo(out: Path) -> None:
    """Train LayerNorm and BatchNorm models, serve them, and compare accuracy and latency, whole and streamed."""
    sys.exit(load("demo.run", "main", extras="export,bench")(out))
