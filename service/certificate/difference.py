"""How far two arrays that should have the same bits are apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

# Beyond this share of a tensor's largest value, a difference isn't rounding.
_ROUNDING_RATIO = 1e-3
_NOT_COMPARABLE_ULP = 2**31 - 1


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Where and how far: `ulp` counts the representable numbers between; `is_rounding` tells if that may explain it."""

    tensor: str
    ulp: int
    absolute: float
    is_rounding: bool


def difference(tensor: str, expected: NDArray[Any], found: NDArray[Any]) -> Difference | None:
    """Compare two arrays of one type bit by bit (+0 and -0 differ); None when they are equal.

    NaN is never equal: what is compared comes from finite input, and a graph that once gave NaN may give it for ever.
    """
    same = expected.shape == found.shape and expected.tobytes() == found.tobytes()
    if same and not (expected.dtype.kind == "f" and np.isnan(expected).any()):
        return None
    if expected.shape != found.shape or not (np.isfinite(expected).all() and np.isfinite(found).all()):
        return Difference(tensor=tensor, ulp=_NOT_COMPARABLE_ULP, absolute=float("inf"), is_rounding=False)
    absolute = float(np.abs(expected.astype(np.float64) - found.astype(np.float64)).max())
    largest = float(np.abs(expected.astype(np.float64)).max())
    return Difference(
        tensor=tensor,
        ulp=max_ulp(expected, found),
        absolute=absolute,
        is_rounding=expected.dtype.kind == "f" and absolute <= _ROUNDING_RATIO * largest,
    )


def worst(found: Iterable[Difference | None]) -> Difference | None:
    """Pick the farthest apart; what rounding can't explain is worse than what it may. None when all are equal."""
    differing = [each for each in found if each is not None]
    return max(differing, key=lambda each: (not each.is_rounding, each.ulp), default=None)


def max_ulp(expected: NDArray[Any], found: NDArray[Any]) -> int:
    """Count the representable numbers between the two elements that are furthest apart; finite numbers of one type."""
    steps = np.abs(_ordered(expected).astype(np.float64) - _ordered(found).astype(np.float64)).max()
    return int(min(steps, _NOT_COMPARABLE_ULP))


def _ordered(array: NDArray[Any]) -> NDArray[Any]:
    """Map floats to integers in the same order, one apart where the floats are neighbours."""
    if array.dtype.kind != "f":
        return array.astype(np.int64)
    bits = np.ascontiguousarray(array).view(f"i{array.itemsize}").astype(np.int64)
    lowest = -(2 ** (8 * array.itemsize - 1)) if array.itemsize < 8 else np.iinfo(np.int64).min
    return np.where(bits < 0, lowest - bits, bits)
