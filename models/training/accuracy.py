"""`python -m models.training.accuracy [NAME…]`: held-out accuracy of default models in PyTorch, as a table."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import click
import numpy as np
from rich.console import Console
from rich.table import Table

from models import zoo
from models.data import Split, load
from models.training.command import bar
from models.training.evaluation import score
from models.training.loop import train
from soloist.integers import LARGEST_INT64

# What is trained unless names are given; vowels is small enough for a mean over seeds.
RUNS = {
    "vowels-tcn-layer": (0, 1, 2),
    "vowels-tcn-batch": (0, 1, 2),
    "vowels-lstm-layer": (0, 1, 2),
    "vowels-lstm-batch": (0, 1, 2),
    "digits-tcn-layer": (0,),
    "digits-tcn-batch": (0,),
    "languages-tcn-layer": (0,),
}
CHARACTERS = 200  # shortest text that counts: below, a few languages share every letter
COLUMNS = ("model", "seed", "held-out", "samples", "epoch", "seconds")


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One trained model on its held-out split."""

    seed: int
    accuracy: float
    samples: int
    epoch: int
    seconds: float


def held_out(test: Split) -> Split:
    """Return the sequences that count: all, and of texts those of `CHARACTERS` characters or more."""
    if not test.characters.any():
        return test
    return test.select(np.flatnonzero(test.characters >= CHARACTERS))


def measure(name: str, seed: int, console: Console) -> Measurement:
    """Train a default model and measure it."""
    task, architecture, config = zoo.configuration(name)
    dataset = load(task)
    started = time.perf_counter()
    with bar(console, f"{name} seed {seed}") as progress:
        checkpoint = train(dataset, architecture, config, seed, progress=progress)
    seconds = time.perf_counter() - started
    test = held_out(dataset.test)
    return Measurement(
        seed=seed,
        accuracy=score(checkpoint.model(), test).accuracy,
        samples=len(test),
        epoch=checkpoint.best_epoch,
        seconds=seconds,
    )


def table(names: Sequence[str], seeds: Sequence[int], console: Console) -> Table:
    """Train and measure; a row for each run, printed on `console` as it ends, and the mean where there are several."""
    rows = Table(*COLUMNS)
    for name in names:
        measured = []
        for seed in seeds or RUNS.get(name, (0,)):
            measured.append(run := measure(name, seed, console))
            cells = (str(seed), f"{run.accuracy:.2%}", str(run.samples), str(run.epoch), f"{run.seconds:.1f}")
            rows.add_row(name, *cells)
            console.print(name, *cells, highlight=False)
        if len(measured) > 1:
            rows.add_row(name, "mean", f"{np.mean([run.accuracy for run in measured]):.2%}", end_section=True)
    return rows


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME]...", type=click.Choice(zoo.names()))
@click.option(
    "--seed",
    "seeds",
    multiple=True,
    type=click.IntRange(0, LARGEST_INT64),
    help="May be repeated; default: 0, 1 and 2 for the models of vowels measured, else 0.",
)
def main(names: tuple[str, ...], seeds: tuple[int, ...]) -> None:
    """Train default models and measure them on the held-out split."""
    Console().print(table(names or list(RUNS), seeds, Console(stderr=True)))


if __name__ == "__main__":
    main(prog_name="python -m models.training.accuracy")
