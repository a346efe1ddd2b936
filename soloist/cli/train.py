"""`soloist train`: train one model on one data set."""

from __future__ import annotations

from pathlib import Path

import click

from soloist.cli.parameter_types import SEED
from soloist.cli.programs import load

# Repeated here, so that the help needs no torch; a test compares them with models/.
TASKS = ("vowels", "digits", "languages")
ARCHITECTURES = ("lstm", "tcn", "transformer", "encoder")
_BATCH_NORMS = ("batch", "batch_naive", "batch_step", "batch_ffn")
NORMS = ("none", "layer", "rms", *_BATCH_NORMS, "instance", "group", "group_step", "dyt")


@click.command()
@click.option("--task", type=click.Choice(TASKS), required=True, help="Data set.")
@click.option("--architecture", type=click.Choice(ARCHITECTURES), required=True)
@click.option(
    "--norm",
    type=click.Choice(NORMS),
    default="layer",
    show_default=True,
    help="Normaliser; batch_step is for lstm, batch_ffn for transformer and encoder.",
)
@click.option("--seed", type=SEED, default=0, show_default=True, help="The same seed gives the same checkpoint.")
@click.option("--epochs", type=click.IntRange(min=1), help="Most epochs; early stopping may end sooner.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Checkpoint file to write.")
def train(task: str, architecture: str, norm: str, seed: int, epochs: int | None, out: Path) -> None:
    """Train a model and write its checkpoint."""
    run = load("models.training", "run", extras="export")
    run(task=task, architecture=architecture, norm=norm, seed=seed, out=out, epochs=epochs)
