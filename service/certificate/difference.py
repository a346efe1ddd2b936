"""The difference of two arrays that should have the same bits: in bits, in units in the last place, and absolutely."""

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
    """Where two arrays differ and how far: `ulp` counts the numbers between; `is_rounding` if it may be rounding."""

    tensor: str
    ulp: int
    absolute: float
    is_rounding: bool


@dataclass(frozen=True, kw_only=True)
class Deviation:
    """`differing` of `compared` outputs have other bits. Both maxima are 0 if none has."""

    differing: int
    compared: int
    max_ulp: int
    max_abs: float


def same_bits(one: NDArray[Any], other: NDArray[Any]) -> bool:
    """Return whether two arrays have the same shape and bytes: +0 and -0 differ, NaNs of the same bits don't."""
    return one.shape == other.shape and one.tobytes() == other.tobytes()


def difference(
    tensor: str, expected: NDArray[Any], found: NDArray[Any], *, nan_is_equal: bool = False
) -> Difference | None:
    """Return the bitwise difference of two arrays of one type; None if they are equal.

    NaN is never equal when certifying: outputs come from finite input, and a graph that once returned NaN may do so for
    ever. With `nan_is_equal` the bits decide: an operator may allow NaN in the input, and then NaN is the answer.
    """
    has_nan = not nan_is_equal and expected.dtype.kind == "f" and bool(np.isnan(expected).any())
    if not has_nan and same_bits(expected, found):
        return None
    if expected.shape != found.shape or not (np.isfinite(expected).all() and np.isfinite(found).all()):
        return Difference(tensor=tensor, ulp=_NOT_COMPARABLE_ULP, absolute=float("inf"), is_rounding=False)
    absolute = max_absolute(expected, found)
    return Difference(
        tensor=tensor,
        ulp=max_ulp(expected, found),
        absolute=absolute,
        is_rounding=expected.dtype.kind == "f" and absolute <= _ROUNDING_RATIO * _largest(expected),
    )


def worst(found: Iterable[Difference | None]) -> Difference | None:
    """Return the largest difference, above all one that rounding can't explain. None if all are equal."""
    differing = [each for each in found if each is not None]
    return max(differing, key=lambda each: (not each.is_rounding, each.ulp), default=None)


def deviation(reference_TK: NDArray[Any], found_TK: NDArray[Any]) -> Deviation:
    """Return the deviation of outputs [T, K] of one shape and type. +0 and -0 differ, equal NaNs don't."""
    differing = int((_bits(reference_TK) != _bits(found_TK)).any(axis=-1).sum())
    found = difference("outputs", reference_TK, found_TK) if differing else None
    return Deviation(
        differing=differing,
        compared=reference_TK.size,
        max_ulp=found.ulp if found else 0,
        max_abs=found.absolute if found else 0.0,
    )


def max_absolute(expected: NDArray[Any], found: NDArray[Any]) -> float:
    """Return the largest difference of two elements; NaN if either side holds one."""
    return _largest(expected.astype(np.float64) - found.astype(np.float64))


def max_scaled(expected: NDArray[Any], found: NDArray[Any]) -> float:
    """Return `max_absolute`, in units of the largest expected value if that exceeds 1.

    A sum grows with the sequence, and its rounding with it.
    """
    return max_absolute(expected, found) / float(np.maximum(1.0, _largest(expected)))


def max_ulp(expected: NDArray[Any], found: NDArray[Any]) -> int:
    """Return the number of steps between the two elements that are furthest apart; finite numbers of one type."""
    return int(min(max_absolute(_ordered(expected), _ordered(found)), _NOT_COMPARABLE_ULP))


def _largest(array: NDArray[Any]) -> float:
    return float(np.abs(array.astype(np.float64)).max())


def _bits(array: NDArray[Any]) -> NDArray[np.uint8]:
    return np.frombuffer(array.tobytes(), np.uint8).reshape(array.size, array.itemsize)


def _ordered(array: NDArray[Any]) -> NDArray[Any]:
    """Return floats as integers in the same order; neighbouring floats are 1 apart."""
    if array.dtype.kind != "f":
        return array.astype(np.int64)
    bits = np.ascontiguousarray(array).view(f"i{array.itemsize}").astype(np.int64)
    lowest = -(2 ** (8 * array.itemsize - 1)) if array.itemsize < 8 else np.iinfo(np.int64).min
    return np.where(bits < 0, lowest - bits, bits)
