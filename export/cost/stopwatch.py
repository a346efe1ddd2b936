"""How two things are timed on a machine that does other things too: in turns, many times, and by medians."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

Call = Callable[[], object]


@dataclass(frozen=True, kw_only=True)
class Ratio:
    """Median of the ratios of all rounds, and their quartiles."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.low:.2f}–{self.high:.2f})"


def thread_seconds(call: Call) -> float:
    """Return the processor time of a call on this thread: what others do on this core doesn't count."""
    started = time.thread_time_ns()
    call()
    return (time.thread_time_ns() - started) / 1e9


def in_turns(calls: Mapping[str, Call], *, rounds: int, repeats: int, seed: int) -> dict[str, list[float]]:
    """Time every call in every round, in an order drawn anew each round; the first of its `repeats` + 1 is no measure.

    Returns:
        For each call the seconds of every round: the median of its repeats.

    """
    rng, names = random.Random(seed), list(calls)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(rounds):
        rng.shuffle(names)
        for name in names:
            calls[name]()
            seconds[name].append(statistics.median(thread_seconds(calls[name]) for _ in range(repeats)))
    return seconds


def ratio(one: Sequence[float], other: Sequence[float]) -> Ratio:
    """Compare `one` with `other`, round by round."""
    ratios = [a / b for a, b in zip(one, other, strict=True)]
    if len(ratios) == 1:
        return Ratio(median=ratios[0], low=ratios[0], high=ratios[0])
    low, median, high = statistics.quantiles(ratios, n=4, method="inclusive")
    return Ratio(median=median, low=low, high=high)
