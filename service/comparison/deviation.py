"""How far two answers to the same sequence are apart: in bits, in units in the last place, and absolutely."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from service.certificate.difference import difference

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Deviation:
    """`differing` of `compared` outputs have other bits. Both maxima are 0 when none has."""

    differing: int
    compared: int
    max_ulp: int
    max_abs: float


def deviation(reference_TK: NDArray[Any], found_TK: NDArray[Any]) -> Deviation:
    """Compare the outputs [T, K] at every frame, of one shape and type. +0 and -0 differ, equal NaNs don't."""
    differing = int((_bits(reference_TK) != _bits(found_TK)).any(axis=-1).sum())
    found = difference("outputs", reference_TK, found_TK) if differing else None
    return Deviation(
        differing=differing,
        compared=reference_TK.size,
        max_ulp=found.ulp if found else 0,
        max_abs=found.absolute if found else 0.0,
    )


def _bits(array: NDArray[Any]) -> NDArray[np.uint8]:
    return np.frombuffer(array.tobytes(), np.uint8).reshape(array.size, array.itemsize)
