"""`soloist train`: one model on one data set."""

from __future__ import annotations

from pathlib import Path

import click

from soloist.cli.programs import load


@click.command()
@click.option("--task", required=True, help="Data set: vowels, digits or languages.")
@click.option("--architecture", required=True, help="lstm, tcn, transformer or encoder.")
@click.option("--norm", default="layer", show_default=True, help="none, layer, rms, batch or batch_naive.")
@click.option("--seed", type=int, default=0, show_default=True, help="The same seed gives the same checkpoint.")
@click.option("--epochs", type=click.IntRange(min=1), help="Most epochs; early stopping may end sooner.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Checkpoint file to write.")
def train(task: str, architecture: str, norm: str, seed: int, epochs: int | None, out: Path) -> None:
    """Train a model and write its checkpoint."""
    run = load("models.training", "run", extras="export")
    run(task=task, architecture=architecture, norm=norm, seed=seed, out=out, epochs=epochs)
