"""`soloist demo`: train, export, serve, stream and measure on real data."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from soloist.cli.parameter_types import NumberRange
from soloist.cli.programs import load


@click.command()
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("out/demo"), show_default=True, help="Folder of the report."
)
@click.option("--epochs", type=click.IntRange(min=1), help="Most epochs, for a quick look; default: each recipe's.")
@click.option(
    "--sequences", type=click.IntRange(min=1), help="Most held-out sequences asked, for a quick look; default: all."
)
@click.option(
    "--load-seconds",
    type=NumberRange(0, min_open=True),
    help="Seconds of load on each model, whole and streamed alike; default: 4.",
)
def demo(out: Path, epochs: int | None, sequences: int | None, load_seconds: float | None) -> None:
    """Train LayerNorm and BatchNorm models, serve them, and show what an answer depends on and how fast it is.

    Exits with 0 only if every model answers as well when served as it does offline, neighbours change no bit of
    LayerNorm and of BatchNorm with running statistics, and they do change BatchNorm with batch statistics.
    """
    main = load("demo.run", "main", extras="export,bench")
    sys.exit(main(out, epochs=epochs, sequences=sequences, load_seconds=load_seconds))
