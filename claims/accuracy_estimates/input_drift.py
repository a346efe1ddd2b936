"""Input drift: how far the moments of live frames are from those of training, and from which distance on it counts.

Shape suffixes: T time, C channels.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import add
from typing import Any

import numpy as np
import numpy.typing as npt

from service.observers.skew.inputs import frame_sums
from service.observers.skew.moments import Moments, PooledSums, Skew, measure

_EPS = 1e-5
_WINDOWS = 500
_QUANTILE = 0.99  # as for the skew of normalisers: export/probe/thresholds.py
Frames = Sequence[npt.NDArray[Any]]


def _sums(sequences: Frames) -> list[PooledSums]:
    return [frame_sums(frames, 0) for frames in sequences]


def _pooled(sums: Sequence[PooledSums]) -> Moments:
    return reduce(add, sums).moments()


class InputDrift:
    """The meter: moments of training, and thresholds from windows of sequences as they usually come."""

    def __init__(self, train: Frames, usual: Frames, window: int, rng: np.random.Generator) -> None:
        self._reference = _pooled(_sums(train))
        sums = _sums(usual)
        drawn = [self._skew([sums[index] for index in rng.integers(len(sums), size=window)]) for _ in range(_WINDOWS)]
        figures = np.array([(each.mean_tid, each.variance_tid, each.divergence_nats) for each in drawn])
        self._thresholds = np.quantile(figures, _QUANTILE, axis=0)

    def is_beyond(self, live: Frames) -> bool:
        """Return whether any figure of live sequences exceeds its threshold."""
        skew = self._skew(_sums(live))
        return bool((np.array([skew.mean_tid, skew.variance_tid, skew.divergence_nats]) > self._thresholds).any())

    def _skew(self, sums: Sequence[PooledSums]) -> Skew:
        return measure(_pooled(sums), self._reference, _EPS)
