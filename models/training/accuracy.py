"""Owns `python -m models.training.accuracy`: held-out accuracy of the default models in PyTorch, as a table."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from rich.console import Console
from rich.table import Table

from models.data import Split, load
from models.training.evaluation import score
from models.training.loop import train
from models.training.run import bar
from models.zoo import configuration

# Whole training runs; vowels is small enough for a mean over seeds.
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
    task, architecture, config = configuration(name)
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


def main() -> None:
    """Print a row for each run, and the mean where there are several."""
    progress = Console(stderr=True)
    table = Table(*COLUMNS)
    for name, seeds in RUNS.items():
        rows = [measure(name, seed, progress) for seed in seeds]
        for row in rows:
            cells = (str(row.seed), f"{row.accuracy:.2%}", str(row.samples), str(row.epoch), f"{row.seconds:.1f}")
            table.add_row(name, *cells)
        if len(rows) > 1:
            table.add_row(name, "mean", f"{np.mean([row.accuracy for row in rows]):.2%}", end_section=True)
    Console().print(table)


if __name__ == "__main__":
    main()
