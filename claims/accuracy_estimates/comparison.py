"""What the outcomes of all seeds say of each estimator: how far off it is, by shift, and which one is best.

The best is the one of least mean absolute error over all shifts but none, all models and all seeds; that was settled
before anything was measured.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from rich import box
from rich.table import Table

from claims import statistics
from claims.accuracy_estimates.estimators import ESTIMATORS
from claims.accuracy_estimates.measurement import SHIFTS, UNCHANGED, Outcome
from claims.table import number
from claims.verdict import Figure


def errors(outcomes: Sequence[Outcome], estimator: str) -> Figure:
    """Return the mean absolute error in points, with an interval over seeds."""
    by_seed: dict[int, list[float]] = {}
    for each in outcomes:
        by_seed.setdefault(each.seed, []).append(100 * abs(each.estimates[estimator] - each.accuracy))
    return statistics.mean(estimator, [float(np.mean(values)) for values in by_seed.values()], "points")


def best(outcomes: Sequence[Outcome]) -> str:
    """Return the name of the best estimator."""
    changed = [each for each in outcomes if each.shift != UNCHANGED]
    return min(ESTIMATORS, key=lambda name: errors(changed, name).value)


def summary(outcomes: Sequence[Outcome]) -> Table:
    """Return a row an estimator: errors where nothing has changed, under shifts, and where no drift was seen."""
    unchanged = [each for each in outcomes if each.shift == UNCHANGED]
    changed = [each for each in outcomes if each.shift != UNCHANGED]
    quiet = [each for each in changed if not each.drifted]
    withheld = 1 - len(quiet) / len(changed)
    last = f"withheld when inputs drift ({withheld:.0%} of cases)"
    table = Table("estimator", "no shift", "shifts", "worst case", last, box=box.SIMPLE_HEAD)
    for name in ESTIMATORS:
        worst = max(100 * abs(each.estimates[name] - each.accuracy) for each in changed)
        parts = (unchanged, changed, quiet)
        means = [number(errors(part, name)) if part else "–" for part in parts]
        table.add_row(name, *means[:2], f"{worst:.1f} points", means[2])
    return table


def by_shift(outcomes: Sequence[Outcome], norm: str) -> Table:
    """Return a row a shift: accuracy, and estimate − accuracy in points of each estimator, means over all."""
    table = Table(f"shift ({norm})", "accuracy", "drift seen", *ESTIMATORS, box=box.SIMPLE_HEAD)
    for shift in SHIFTS:
        of = [each for each in outcomes if each.shift == shift and each.model.endswith(f"-{norm}")]
        gaps = [float(np.mean([100 * (each.estimates[name] - each.accuracy) for each in of])) for name in ESTIMATORS]
        seen = np.mean([each.drifted for each in of])
        accuracy = np.mean([each.accuracy for each in of])
        table.add_row(shift, f"{accuracy:.1%}", f"{seen:.0%}", *(f"{gap:+.1f}" for gap in gaps))
    return table
