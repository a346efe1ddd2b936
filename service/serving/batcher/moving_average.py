"""Moving averages of what is measured, without its beginning: what has just started is slower than it will be."""

from __future__ import annotations

# The weight of the newest measurement, and the cap on it as a multiple of the average: one that is far off changes
# little.
_WEIGHT = 0.1
_MOST = 4.0
FIRST = 8


class MovingAverage:
    """The least of the first eight measurements, and from then on their moving average.

    `value` is 0 before the first; `count` goes up to eight.
    """

    __slots__ = ("count", "value")

    def __init__(self) -> None:
        self.count = 0
        self.value = 0.0

    def add(self, measured: float) -> None:
        """Add a measurement, which isn't negative."""
        if self.count == FIRST:
            self.value = averaged(self.value, measured)
            return
        self.count += 1
        if self.count == 1 or measured < self.value:
            self.value = measured


def averaged(before: float, measured: float) -> float:
    """Return a moving average after one more measurement; it begins with the first that isn't 0."""
    if not before:
        return measured
    return before + _WEIGHT * ((measured if measured < _MOST * before else _MOST * before) - before)
