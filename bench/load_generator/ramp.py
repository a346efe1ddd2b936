"""The ramp: the highest rate at which a server keeps its p99, looked for in steps and then by halves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rich.table import Table

from bench.load_generator.report import Summary

_GROWTH = 1.5  # from one step to the next while the target is kept
_CLOSE_RATIO = 1.05  # the search ends when the lowest rate that failed is so near the highest that kept
_MAX_STEPS = 40


@dataclass(frozen=True, kw_only=True)
class Step:
    """One rate, tried for the load's seconds."""

    rate_per_second: float
    summary: Summary
    kept: bool


@dataclass(frozen=True, kw_only=True)
class Knee:
    """What a ramp has found. `rate_per_second` is the highest that kept the target, None where none did."""

    p99_ms: float
    rate_per_second: float | None
    steps: list[Step]

    @property
    def limited_by_generator(self) -> bool:
        """Return whether the generator fell behind at a rate that failed: the knee is then at least what was found."""
        return any(step.summary.fell_behind for step in self.steps if not step.kept)

    @property
    def differing(self) -> int:
        """Return how many answers, at any rate, differ from those alone."""
        return sum(step.summary.differing or 0 for step in self.steps)

    def as_json(self) -> dict[str, Any]:
        """Return everything as what `json` can write."""
        steps = [
            {"rate_per_second": step.rate_per_second, "kept": step.kept, **step.summary.as_json()}
            for step in self.steps
        ]
        return {
            "p99_target_ms": self.p99_ms,
            "knee_per_second": self.rate_per_second,
            "limited_by_generator": self.limited_by_generator,
            "steps": steps,
        }


def find_knee(measure: Callable[[float], Summary], *, first_per_second: float, p99_ms: float) -> Knee:
    """Try rates half as high again each until one fails, then halve the gap until it is 5 %.

    A rate is kept when every request was answered, no answer that was compared differs, the p99 of whole sequences is
    at most `p99_ms`, and the generator did not fall behind.
    """
    steps: list[Step] = []
    best, worst = 0.0, float("inf")
    rate = first_per_second
    while len(steps) < _MAX_STEPS:
        summary = measure(rate)
        kept = bool(summary.answered) and not (summary.errors or summary.differing or summary.fell_behind)
        kept = kept and summary.sequence.p99_ms <= p99_ms
        steps.append(Step(rate_per_second=rate, summary=summary, kept=kept))
        if kept:
            best = rate
        else:
            worst = rate
        if not best and rate * 1000 < first_per_second:
            break
        if best and worst <= best * _CLOSE_RATIO:
            break
        rate = rate * _GROWTH if worst == float("inf") else (best + worst) / 2
    return Knee(p99_ms=p99_ms, rate_per_second=best or None, steps=steps)


def table(knee: Knee) -> Table:
    """Lay the steps out in the order in which they were tried."""
    columns = ("rate a second", "answered", "errors", "p50", "p90", "p99", "p99.9", "late p99", "target")
    shown = Table(title=f"ms; the target is a p99 of {knee.p99_ms:g}", title_justify="left")
    for column in columns:
        shown.add_column(column, justify="right")
    for step in knee.steps:
        summary, latency = step.summary, step.summary.sequence
        times = (latency.p50_ms, latency.p90_ms, latency.p99_ms, latency.p999_ms, summary.generator_late_p99_ms)
        counts = (f"{step.rate_per_second:.1f}", str(summary.answered), str(sum(summary.errors.values())))
        shown.add_row(*counts, *(f"{time:.2f}" for time in times), "kept" if step.kept else "failed")
    return shown


def remarks(knee: Knee) -> list[str]:
    """Return the knee in words, and whether the generator is what stopped the ramp."""
    found = "no rate kept the target" if knee.rate_per_second is None else f"knee: {knee.rate_per_second:.1f} a second"
    lines = [found, f"{knee.differing} answers differ from those alone"] if knee.differing else [found]
    if knee.limited_by_generator:
        return [*lines, "the generator FELL BEHIND: the server may take more; use more processes or cores"]
    return lines
