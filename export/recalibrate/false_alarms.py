"""`python -m export.recalibrate.false_alarms`: how often the test of independence is wrong, and what it finds.

Samples are drawn from the held-out data of a task. Independent ones are drawn one by one, with replacement. Dependent
ones come in runs of sequences of one class, as from a speaker who says one thing again and again.

Shape suffixes: N sequences, F features.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from export.recalibrate.independence import ALARM, dependence_p, describe, slowest_time
from models.data import TASKS, load
from service.observers.feedback.accuracy import wilson

_RUNS = (1, 2, 4, 8)  # sequences of one class in a row; 1 is independent


@dataclass(frozen=True, kw_only=True)
class Alarms:
    """Of `samples` of `size` sequences in runs of `run`: alarms, and how many independent ones the slowest leaves."""

    size: int
    run: int
    samples: int
    alarms: int
    worth_by_slowest: float

    @property
    def row(self) -> tuple[str, ...]:
        """Return the figures as they are printed: the share has its 95 % score interval."""
        low, high = wilson(self.alarms / self.samples, self.samples)
        share = f"{self.alarms / self.samples:.1%} ({low:.1%} to {high:.1%})"
        kind = "independent" if self.run == 1 else f"runs of {self.run}"
        return kind, str(self.size), str(self.samples), share, f"{self.worth_by_slowest:.0f}"


def measure(
    features_NF: NDArray[np.float64], labels_N: NDArray[np.int64], *, size: int, run: int, samples: int
) -> Alarms:
    """Draw samples of described sequences, and test each. The same arguments give the same figures."""
    rng, alarms, worth = np.random.default_rng([size, run]), 0, []
    draw = _drawing(labels_N, rng, run)
    for number in range(samples):
        sample_NF = features_NF[draw(size)]
        alarms += dependence_p(sample_NF, seed=number) <= ALARM
        worth.append(size / slowest_time(sample_NF))
    return Alarms(size=size, run=run, samples=samples, alarms=alarms, worth_by_slowest=float(np.median(worth)))


def _drawing(labels_N: NDArray[np.int64], rng: np.random.Generator, run: int) -> Callable[[int], NDArray[np.int64]]:
    of_class = [np.flatnonzero(labels_N == label) for label in np.unique(labels_N)]

    def runs(size: int) -> Iterator[NDArray[np.int64]]:
        for _ in range(-(-size // run)):
            yield rng.choice(of_class[rng.integers(len(of_class))], size=run)

    def drawn(size: int) -> NDArray[np.int64]:
        return rng.integers(len(labels_N), size=size) if run == 1 else np.concatenate(list(runs(size)))[:size]

    return drawn


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description="Measure how often the test of independence is wrong.")
    parser.add_argument("--task", choices=sorted(TASKS), default="digits", help="whose held-out data are drawn from")
    parser.add_argument("--sizes", type=int, nargs="+", default=[100, 300], help="sequences in a sample")
    parser.add_argument("--samples", type=int, default=1000, help="that are drawn of each kind")
    arguments = parser.parse_args()
    held_out = load(arguments.task).test
    features_NF = describe(held_out.sequences)
    title = f"{arguments.task}, {features_NF.shape[1]} features: dependent by one test over all of them (p ≤ {ALARM:g})"
    table = Table(
        "sample", "sequences", "samples", "share found dependent, 95 %", "worth by the slowest, median", title=title
    )
    for size in arguments.sizes:
        for run in _RUNS:
            found = measure(features_NF, held_out.labels, size=size, run=run, samples=arguments.samples)
            table.add_row(*found.row)
    Console().print(table)


if __name__ == "__main__":
    main()
