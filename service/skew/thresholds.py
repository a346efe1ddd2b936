"""Which of a layer's thresholds a pool of live sequences is held against."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from soloist.v1.model_pb2 import ProbedLayer, SkewThresholds


def thresholds_for(layer: ProbedLayer, sequences: float) -> SkewThresholds | None:
    """Pick those of the largest window that isn't larger than the pool; None when it is smaller than any of them.

    A pool spreads less than a window of fewer sequences, so what is picked is too wide rather than too narrow.
    `sequences` is no whole number where older ones count less. A layer without reference has no thresholds.
    """
    fitting = [each for each in layer.thresholds if each.window_sequences <= sequences]
    return max(fitting, key=lambda each: each.window_sequences, default=None)
