"""What recalibration changes, pair by pair on the same sequences, with 95 % intervals.

Shape suffixes: N sequences, C features of a layer, R resamples.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.observers.skew import Moments, PooledSums, measure

_Z = 1.959964  # of a normal distribution, 95 % within
_RESAMPLES = 1000


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A figure, and where it lies with 95 %."""

    value: float
    lower: float
    upper: float


@dataclass(frozen=True, kw_only=True, eq=False)
class LayerSample:
    """What the probe said of one layer for each sequence: frames [N], sums and sums of squares [N, C], reference."""

    frames: NDArray[Any]
    total: NDArray[Any]
    squares: NDArray[Any]
    reference: Moments
    eps: float

    def divergence(self, weights_N: NDArray[Any]) -> float:
        """Return the divergence in nats of the sequences together, each counted so often."""
        sums = PooledSums(
            frames=float(weights_N @ self.frames),
            total=weights_N @ self.total,
            squares=weights_N @ self.squares,
        )
        return measure(sums.moments(), self.reference, self.eps).divergence_nats


def divergence_change(before: Sequence[LayerSample], after: Sequence[LayerSample], *, seed: int = 0) -> Interval:
    """Return how the divergence, a mean over layers, changes.

    A paired bootstrap, in which the same sequences are drawn for both: percentiles of resamples with replacement
    (B. Efron, R. Tibshirani, An Introduction to the Bootstrap, 1993, §13.3).
    """
    count = len(before[0].frames)
    rng = np.random.default_rng(seed)
    drawn_RN = rng.multinomial(count, np.full(count, 1 / count), size=_RESAMPLES)
    changes_R = [_mean_divergence(after, drawn_N) - _mean_divergence(before, drawn_N) for drawn_N in drawn_RN]
    once_N = np.ones(count)
    lower, upper = np.percentile(changes_R, (2.5, 97.5))
    value = _mean_divergence(after, once_N) - _mean_divergence(before, once_N)
    return Interval(value=value, lower=float(lower), upper=float(upper))


def accuracy_change(before_N: NDArray[Any], after_N: NDArray[Any]) -> Interval:
    """Return how the share of right answers changes, each a pair of booleans on one sequence.

    Wald's interval with half a pair more in each of the four cells (A. Agresti, Y. Min, Simple improved confidence
    intervals for comparing matched proportions, Statistics in Medicine 24, 2005); without sequences it is -1 to 1.
    """
    before_N, after_N = np.asarray(before_N, bool), np.asarray(after_N, bool)
    count = len(before_N)
    if not count:
        return Interval(value=0.0, lower=-1.0, upper=1.0)
    won, lost = float(np.sum(~before_N & after_N)), float(np.sum(before_N & ~after_N))
    wider_won, wider_lost, wider_count = won + 0.5, lost + 0.5, count + 2
    middle = (wider_won - wider_lost) / wider_count
    deviation = math.sqrt(wider_won + wider_lost - (wider_won - wider_lost) ** 2 / wider_count) / wider_count
    return Interval(
        value=(won - lost) / count,
        lower=max(-1.0, middle - _Z * deviation),
        upper=min(1.0, middle + _Z * deviation),
    )


def mcnemar(won: int, lost: int) -> float:
    """Return the exact two-sided p of as uneven a split of the pairs that differ, were both versions equally right."""
    pairs = won + lost
    tail: float = sum(math.comb(pairs, each) for each in range(min(won, lost) + 1)) / 2**pairs
    return min(1.0, 2 * tail)


def _mean_divergence(layers: Sequence[LayerSample], weights_N: NDArray[Any]) -> float:
    return float(np.mean([layer.divergence(weights_N) for layer in layers]))
