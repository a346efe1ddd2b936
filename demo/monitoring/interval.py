"""Means over seeds with their 95 % interval: Student's t, each seed one observation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# 97.5 % quantiles of Student's t for 1, 2, … degrees of freedom; then those of the normal distribution are close.
_QUANTILES = (
    *(12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228),
    *(2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086),
)
_NORMAL_QUANTILE = 1.96


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A mean, and half the width of its interval; None with fewer than two observations."""

    mean: float
    half_width: float | None
    count: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Interval | None:
        """Sum up what the seeds gave; None when none gave anything."""
        if not values:
            return None
        count, half_width = len(values), None
        if count > 1:
            degrees = count - 1
            quantile = _QUANTILES[degrees - 1] if degrees <= len(_QUANTILES) else _NORMAL_QUANTILE
            half_width = quantile * float(np.std(values, ddof=1)) / math.sqrt(count)
        return cls(mean=float(np.mean(values)), half_width=half_width, count=count)

    def percent(self) -> str:
        """Return it in percent, the width in points of percent."""
        width = "" if self.half_width is None else f" ± {100 * self.half_width:.1f}"
        return f"{100 * self.mean:.1f}{width}"
