"""The conversion of arrays, numbers and texts to tensors of the wire, and back; no value changes silently."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import numpy.typing as npt

from soloist.client.errors import InvalidInputError, invalid_input
from soloist.data_types import BY_DATA_TYPE, data_type_of, dtype_of
from soloist.v1 import model_pb2, tensor_pb2

Array = npt.NDArray[Any]
Frames = npt.ArrayLike  # includes str and bytes

_NUMERIC_KINDS = "biuf"
_PLAIN = (bool, int, float)


def needs_signature(frames: Frames) -> bool:
    """Return whether the model must be known before these frames can be sent: everything but float32 arrays."""
    return not (isinstance(frames, np.ndarray) and frames.dtype == np.float32)


def to_model_frames(frames: Frames, signature: model_pb2.Signature | None) -> Array:
    """Return the frames in the model's own type: [time, feature] numbers or [time] tokens.

    An array keeps every value: a wider type is narrowed only where that is exact, and float64 is never rounded to
    float32 (write `.astype(np.float32)` if that is intended). Plain Python numbers have no type of their own and become
    the nearest value of the model's. A str becomes its UTF-8 bytes, one token a byte, and bytes are taken as such.
    Without a signature frames stay as they are.

    Raises:
        InvalidInputError: They are no numbers, are text for a model that takes none, have masked elements, or would
            change.

    """
    if isinstance(frames, str):
        frames = _utf8(frames, signature)
    if isinstance(frames, bytes | bytearray | memoryview):
        frames = np.frombuffer(frames, np.uint8)
    typed = hasattr(frames, "__array__")  # arrays of other libraries, too: data frames, tensors
    array = numbers(frames)
    known = None if signature is None else BY_DATA_TYPE.get(signature.frames.data_type)
    if known is None or array.dtype == known.dtype:
        return array
    return _cast(array, known.dtype, rounding=not typed)


def to_tensor(array: Array) -> tensor_pb2.Tensor:
    """Return an array of any shape and order as a tensor.

    Raises:
        InvalidInputError: Its elements are not numbers.

    """
    try:
        data_type = data_type_of(array.dtype)
    except KeyError:
        raise _not_numeric(array) from None
    if not _is_little_endian(array.dtype):
        array = array.astype(array.dtype.newbyteorder("<"))
    return tensor_pb2.Tensor(data_type=data_type, shape=array.shape, data=array.tobytes())


def to_array(tensor: tensor_pb2.Tensor) -> Array:
    """Return a tensor as a new array, which may be written to."""
    return np.frombuffer(tensor.data, dtype_of(tensor.data_type)).reshape(tuple(tensor.shape)).copy()


def _utf8(text: str, signature: model_pb2.Signature | None) -> bytes:
    if signature is None or signature.text_encoding != "utf8":
        raise invalid_input("TEXT_NOT_ACCEPTED", "This model takes numbers, not text; pass an array of frames.")
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise invalid_input("TEXT_NOT_ACCEPTED", f"The text has no UTF-8 form: {error.reason}.") from error


def numbers(frames: Frames) -> Array:
    """Return numbers as an array, in a type of their own.

    Raises:
        InvalidInputError: They are none, make no array, or have masked elements.

    """
    try:
        if _is_masked(frames) or _is_masked(array := np.asanyarray(frames)):
            raise _masked()
        array = np.asarray(array)
    except (ValueError, TypeError) as error:  # numpy's errors for a ragged list
        raise invalid_input("NOT_NUMERIC", f"They are not an array of numbers: {error}.") from error
    if array.dtype.kind not in _NUMERIC_KINDS:
        raise _not_numeric(array)
    return array


def _is_masked(frames: Frames) -> bool:
    """Return whether there is a masked element, also in lists of arrays: numpy drops masks in silence."""
    if isinstance(frames, list | tuple):
        # Plain numbers are passed over here, without a call for each.
        return any(type(each) not in _PLAIN and _is_masked(each) for each in frames)
    # numpy.ma is not imported for those who don't use it.
    return isinstance(frames, np.ndarray) and type(frames) is not np.ndarray and bool(np.ma.is_masked(frames))


def _masked() -> InvalidInputError:
    message = "Masked elements have no value: give them one (frames.filled(…)), or leave out the frames that have them."
    return invalid_input("MASKED_ELEMENTS", message)


def _not_numeric(array: Array) -> InvalidInputError:
    return invalid_input("NOT_NUMERIC", f"Frames of type {array.dtype} are not numbers.", data_type=array.dtype)


def _cast(array: Array, dtype: np.dtype[Any], *, rounding: bool) -> Array:
    if np.can_cast(array.dtype, dtype, "safe") or _holds_exactly(dtype, array):
        return array.astype(dtype)
    if rounding and dtype.kind == "f":
        with np.errstate(over="ignore"):
            rounded = array.astype(dtype)
        if np.array_equal(np.isinf(rounded), np.isinf(array)):
            return rounded
        raise invalid_input("LOSSY_CONVERSION", f"The model takes {dtype}, which has no numbers as large as these.")
    raise invalid_input(
        "LOSSY_CONVERSION",
        f"The model takes {dtype}, and {array.dtype} frames would change; if that is meant, pass "
        f"frames.astype(np.{dtype}).",
        given=array.dtype,
        expected=dtype,
    )


def _holds_exactly(dtype: np.dtype[Any], array: Array) -> bool:
    # By range, not by converting back and forth: an overflow may wrap twice and look unchanged.
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


def _is_little_endian(dtype: np.dtype[Any]) -> bool:
    return dtype.byteorder in "<|" or (dtype.byteorder == "=" and sys.byteorder == "little")
