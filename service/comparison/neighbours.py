"""Sequences to share a batch with: drawn to be ordinary beside the sample, and made louder by a factor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


# A generator takes no seed below 0.
_SEED_MASK = 2**64 - 1


def draw(sample: NDArray[Any], count: int, seed: int) -> list[NDArray[Any]]:
    """Draw neighbours as long as the sample [T, C] or [T]. The first n are the same whatever `count` is.

    Numbers are normal with the sample's own mean and standard deviation of each feature, or a deviation of 1 where it
    does not vary; whole numbers are the sample's own frames, drawn with replacement.
    """
    rng = np.random.default_rng(seed & _SEED_MASK)
    if sample.dtype.kind != "f":
        return [sample[rng.integers(len(sample), size=len(sample))] for _ in range(count)]
    x = sample.astype(np.float64)
    mean, deviation = x.mean(axis=0), x.std(axis=0)
    deviation = np.where(deviation > 0, deviation, 1.0)
    return [_narrowed(mean + deviation * rng.standard_normal(x.shape), sample.dtype) for _ in range(count)]


def scaled(neighbour: NDArray[Any], scale: float) -> NDArray[Any]:
    """Multiply a mate's values; they stay finite. At scale 1 it is the mate itself, so tokens are never touched."""
    return neighbour if scale == 1 else _narrowed(neighbour.astype(np.float64) * scale, neighbour.dtype)


def _narrowed(x: NDArray[np.float64], dtype: np.dtype[Any]) -> NDArray[Any]:
    largest = float(np.finfo(dtype).max)
    return np.clip(x, -largest, largest).astype(dtype)
