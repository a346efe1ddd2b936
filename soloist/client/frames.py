"""From what a caller has (an array, numbers, a text) to the frames a model takes; no value changes in silence."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from soloist.client.errors import invalid_input
from soloist.client.tensors import Array
from soloist.data_types import BY_DATA_TYPE
from soloist.v1 import model_pb2

Frames = npt.ArrayLike  # includes str and bytes

_NUMERIC_KINDS = "biuf"


def needs_signature(frames: Frames) -> bool:
    """Tell whether one has to know the model before these frames can be sent: everything but float32 arrays."""
    return not (isinstance(frames, np.ndarray) and frames.dtype == np.float32)


def to_model_frames(frames: Frames, signature: model_pb2.Signature | None) -> Array:
    """Give the frames in the model's own type: [time, feature] numbers or [time] tokens.

    An array keeps every value: a wider type is narrowed only where that is exact, and float64 is never rounded to
    float32 (say `.astype(np.float32)` where that is meant). Plain Python numbers have no type of their own and become
    the nearest value of the model's. A str becomes its UTF-8 bytes, one token a byte, and bytes are taken as such.
    Without a signature frames stay as they are. Raises InvalidInputError.
    """
    if isinstance(frames, str):
        frames = _utf8(frames, signature)
    if isinstance(frames, bytes | bytearray | memoryview):
        frames = np.frombuffer(frames, np.uint8)
    typed = isinstance(frames, np.ndarray | np.generic)
    array = _numbers(frames)
    known = None if signature is None else BY_DATA_TYPE.get(signature.frames.data_type)
    if known is None or array.dtype == known.dtype:
        return array
    return _cast(array, known.dtype, rounding=not typed)


def _utf8(text: str, signature: model_pb2.Signature | None) -> bytes:
    if signature is None or signature.text_encoding != "utf8":
        raise invalid_input("TEXT_NOT_ACCEPTED", "This model takes numbers, not text; pass an array of frames.")
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise invalid_input("TEXT_NOT_ACCEPTED", f"The text has no UTF-8 form: {error.reason}.") from error


def _numbers(frames: Frames) -> Array:
    try:
        array = np.asarray(frames)
    except (ValueError, TypeError) as error:  # numpy's words for a ragged list
        raise invalid_input("NOT_NUMERIC", f"Frames are not an array of numbers: {error}.") from error
    if array.dtype.kind not in _NUMERIC_KINDS:
        raise invalid_input("NOT_NUMERIC", f"Frames of type {array.dtype} are not numbers.", data_type=array.dtype)
    return array


def _cast(array: Array, dtype: np.dtype[Any], *, rounding: bool) -> Array:
    if np.can_cast(array.dtype, dtype, "safe") or (rounding and dtype.kind == "f") or _holds_exactly(dtype, array):
        return array.astype(dtype)
    raise invalid_input(
        "LOSSY_CONVERSION",
        f"The model takes {dtype}, and {array.dtype} frames would change; if that is meant, pass "
        f"frames.astype(np.{dtype}).",
        given=array.dtype,
        expected=dtype,
    )


def _holds_exactly(dtype: np.dtype[Any], array: Array) -> bool:
    """Tell by range, not by converting there and back: an overflow may wrap twice and look unchanged."""
    if array.dtype.kind not in "iu" or dtype.kind not in "iuf":
        return False
    if array.size == 0:
        return True
    if dtype.kind == "f":
        highest = 1 << (int(np.finfo(dtype).nmant) + 1)  # up to here a float holds every integer
        lowest = -highest
    else:
        lowest, highest = int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)
    return lowest <= int(array.min()) and int(array.max()) <= highest
