"""The generator of a case's numbers: sequences, neighbours, padding, and misaligned arrays, drawn from its seed.

Shapes: B rows, T frames, P padded frames, C features of a frame.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from service.certificate.cases import GARBAGE, NAN
from soloist.data_types import dtype_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from soloist.v1.model_pb2 import Signature

_GARBAGE_SCALE = 1e30
# The number of tokens for a model that doesn't declare it.
_UNKNOWN_TOKENS = 2
_MISALIGNMENT_BYTES = 4


class SequenceGenerator:
    """The generator of frames for one signature. With `samples`, half of the sequences under test come from them."""

    def __init__(self, signature: Signature, samples: Sequence[NDArray[Any]] = ()) -> None:
        self._dtype = dtype_of(signature.frames.data_type)
        self._shape = tuple(signature.frames.shape)[2:]
        self._tokens = signature.token_count or _UNKNOWN_TOKENS
        self._samples = samples
        self.frames_per_run = signature.frames_per_run

    def sequence(self, rng: np.random.Generator, frames: int) -> NDArray[Any]:
        """Return a sequence to be tested: [T, C] or [T]."""
        if len(self._samples) and rng.random() < 0.5:
            sample = self._samples[int(rng.integers(len(self._samples)))]
            repeated: NDArray[Any] = np.take(sample, np.arange(frames) % len(sample), axis=0).astype(self._dtype)
            return repeated
        alone: NDArray[Any] = self.rows(rng, 1, frames, 1.0)[0]
        return alone

    def rows(self, rng: np.random.Generator, rows: int, frames: int, scale: float) -> NDArray[Any]:
        """Return `rows` sequences whose numbers are `scale` times ordinary ones."""
        shape = (rows, frames, *self._shape)
        if self._dtype.kind in "iub":
            return (rng.integers(self._tokens, size=shape) * (scale != 0)).astype(self._dtype)
        return (rng.standard_normal(shape) * scale).astype(self._dtype)

    def padding(self, rng: np.random.Generator, shape: tuple[int, int], kind: str) -> NDArray[Any]:
        """Return [B, P] frames to put after a row's end. Whole numbers have no NaN, so they get garbage."""
        if self._dtype.kind == "f" and kind == NAN:
            return np.full((*shape, *self._shape), np.nan, self._dtype)
        if kind in (GARBAGE, NAN):
            return self.rows(rng, *shape, scale=_GARBAGE_SCALE if self._dtype.itemsize > 2 else 1.0)
        return np.zeros((*shape, *self._shape), self._dtype)


def misaligned(array: NDArray[Any]) -> NDArray[Any]:
    """Return a copy of an array at an address that isn't a multiple of 16 bytes."""
    offset = max(_MISALIGNMENT_BYTES, array.itemsize)
    room = np.empty(array.nbytes + 16 + offset, np.uint8)
    start = -room.ctypes.data % 16 + offset
    copy = room[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy
