"""The definitions of skew: moments of features from pooled sums, their distance from stored ones, thresholds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from soloist.v1 import model_pb2 as pb
    from soloist.v1.model_pb2 import ProbedLayer, SkewThresholds


@dataclass(frozen=True, kw_only=True, eq=False)
class Moments:
    """Mean and population variance of each feature: [C] each."""

    mean: NDArray[Any]
    variance: NDArray[Any]

    @classmethod
    def from_message(cls, message: pb.Moments) -> Moments:
        """Read them from a manifest."""
        return cls(mean=np.array(message.mean, np.float64), variance=np.array(message.variance, np.float64))


@dataclass(frozen=True, kw_only=True, eq=False)
class PooledSums:
    """Sum and sum of squares [C] over a number of frames, which is fractional if older frames count less."""

    frames: float
    total: NDArray[Any]
    squares: NDArray[Any]

    def __add__(self, other: PooledSums) -> PooledSums:
        return PooledSums(
            frames=self.frames + other.frames,
            total=self.total + other.total,
            squares=self.squares + other.squares,
        )

    def weighted(self, weight: float) -> PooledSums:
        """Return the sums with everything counted `weight` times."""
        return PooledSums(frames=self.frames * weight, total=self.total * weight, squares=self.squares * weight)

    def moments(self) -> Moments:
        """Return the moments of all frames together.

        Raises:
            ValueError: there is no frame.

        """
        if self.frames <= 0:
            raise ValueError("no frame, no moments")
        mean = self.total / self.frames
        # If a feature is constant, the difference of two equal numbers may round to below zero.
        return Moments(mean=mean, variance=np.maximum(self.squares / self.frames - mean**2, 0.0))


@dataclass(frozen=True, kw_only=True)
class Skew:
    """Mean TID |μ_stored - μ| / σ and variance TID |σ_stored / σ - 1|, both in live deviations, and a divergence.

    TID is the training inference discrepancy of Wang et al. 2022 ("Understanding the Failure of Batch Normalization for
    Transformers in NLP"), with live traffic in the place of a training batch. `divergence_nats` is the Kullback-Leibler
    divergence KL(live ‖ stored) of two Gaussians.
    """

    mean_tid: float
    variance_tid: float
    divergence_nats: float


def measure(live: Moments, stored: Moments, eps: float) -> Skew:
    """Return the skew of one layer; `eps` > 0 is that of the layer."""
    live_C, stored_C = live.variance + eps, stored.variance + eps
    distance_C = live.mean - stored.mean
    ratio_C = live_C / stored_C
    divergence_C = (ratio_C - 1 - np.log(ratio_C) + distance_C**2 / stored_C) / 2
    return Skew(
        mean_tid=float(np.mean(np.abs(distance_C) / np.sqrt(live_C))),
        variance_tid=float(np.mean(np.abs(1 / np.sqrt(ratio_C) - 1))),
        divergence_nats=float(np.mean(divergence_C)),
    )


def thresholds_for(layer: ProbedLayer, sequences: float) -> SkewThresholds | None:
    """Return the thresholds of the largest window not larger than the pool; None if it is smaller than any.

    A pool varies less than a window of fewer sequences, so these thresholds are too wide rather than too narrow.
    `sequences` is fractional if older ones count less. A layer without reference has no thresholds.
    """
    fitting = [each for each in layer.thresholds if each.window_sequences <= sequences]
    return max(fitting, key=lambda each: each.window_sequences, default=None)
