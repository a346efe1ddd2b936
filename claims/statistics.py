"""Intervals over seeds, and of paired differences.

With a handful of seeds Student's t is used: a bootstrap of five values knows too few of them. Where many cases were
measured (sequences, timings), the bootstrap is taken (Efron & Tibshirani 1993, chapter 14: BCa).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
from scipy import stats

from claims.verdict import Figure

LEVEL = 0.95
_RESAMPLES = 2000
Values = Sequence[float] | npt.NDArray[np.float64]


def mean(name: str, values: Values, unit: str = "") -> Figure:
    """Return the mean over seeds with Student's t interval; of one value without an interval."""
    array = np.asarray(values, dtype=np.float64)
    middle = float(array.mean())
    if len(array) < 2:
        return Figure(name=name, value=middle, unit=unit)
    half = float(stats.sem(array) * stats.t.ppf((1 + LEVEL) / 2, len(array) - 1))
    return Figure(name=name, value=middle, low=middle - half, high=middle + half, unit=unit)


def difference(name: str, first: Values, second: Values, unit: str = "points") -> Figure:
    """Return the mean of first − second, paired by seed; shares are given in points of percent."""
    scale = 100.0 if unit == "points" else 1.0
    return mean(name, (np.asarray(first, np.float64) - np.asarray(second, np.float64)) * scale, unit)


def median(name: str, values: Values, unit: str = "") -> Figure:
    """Return the median of many values with a bootstrap interval."""
    return bootstrap(name, values, np.median, unit)


def bootstrap(name: str, values: Values, statistic: Callable[..., npt.NDArray[np.float64]], unit: str = "") -> Figure:
    """Return a statistic of many values, of which `statistic(values, axis=…)` is one, with its interval."""
    array = np.asarray(values, dtype=np.float64)
    value = float(statistic(array))
    if len(array) < 2 or np.ptp(array) == 0:  # nothing varies: the interval would be no number
        return Figure(name=name, value=value, unit=unit)
    interval = stats.bootstrap(
        (array,), statistic, n_resamples=_RESAMPLES, confidence_level=LEVEL, rng=np.random.default_rng(0)
    ).confidence_interval
    return Figure(name=name, value=value, low=float(interval.low), high=float(interval.high), unit=unit)


def above(figure: Figure, bound: float) -> bool:
    """Return whether all of a figure's interval is above a bound; without an interval, whether its value is."""
    return (figure.value if figure.low is None else figure.low) > bound


def below(figure: Figure, bound: float) -> bool:
    """Return whether all of a figure's interval is below a bound; without an interval, whether its value is."""
    return (figure.value if figure.high is None else figure.high) < bound
