"""Moments of each feature, from sums that are pooled over chunks, sequences and time.

Shapes: C features. Everything is float64.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from soloist.v1 import model_pb2 as pb


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
    """Total and total of squares [C] over a number of frames, which is no whole number where older ones count less."""

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
        """Let all of it count `weight` times."""
        return PooledSums(frames=self.frames * weight, total=self.total * weight, squares=self.squares * weight)

    def moments(self) -> Moments:
        """Give the moments of all frames together.

        Raises:
            ValueError: there is no frame.

        """
        if self.frames <= 0:
            raise ValueError("no frame, no moments")
        mean = self.total / self.frames
        # Where a feature is constant, the difference of two equal numbers may round to below zero.
        return Moments(mean=mean, variance=np.maximum(self.squares / self.frames - mean**2, 0.0))
