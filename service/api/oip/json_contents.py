"""The elements of tensors in JSON: flat or nested lists of numbers to raw bytes, and back without losing a bit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from service.api.oip.contents import Input, dtype_of_input, element_count, size_mismatch, within_range
from service.core.errors import Reason, ServiceError
from soloist.data_types import BY_OIP_WORD

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from soloist.oip.grpc_service_pb2 import ModelInferResponse

# Numbers are written in pieces of this size: each takes a millisecond, in which no other thread runs.
PIECE = 16_384
# The text of a double takes at most so many bytes, with its sign and exponent.
_DOUBLE_BYTES = 24
# Kinds of numpy's types that stand for elements of a kind.
_KINDS = {"f": "fiu", "i": "iu", "u": "iu", "b": "b"}


def to_raw(tensor: Input, data: object) -> bytes:
    """Return the elements of an input as raw bytes, row-major and little-endian.

    Raises:
        ServiceError: they aren't numbers of the input's type, or don't fit its shape.

    """
    dtype, count = dtype_of_input(tensor), element_count(tensor)
    found = _array(tensor, data, dtype)
    if found.size != count:
        raise size_mismatch(tensor, found.size, count, "elements")
    # Lists end at an axis without elements.
    nested = tuple(tensor.shape) if count else tuple(tensor.shape)[: found.ndim]
    if found.ndim != 1 and found.shape != nested:
        raise ServiceError(
            Reason.INPUT_SHAPE_MISMATCH, input=tensor.name, shape=list(found.shape), expected=list(tensor.shape)
        )
    return within_range(tensor.name, found, dtype).tobytes()


def to_json(output: ModelInferResponse.InferOutputTensor, raw: bytes) -> bytes:
    """Return the elements of an output as a flat list. A float is written so that reading it gives the same bits.

    What isn't finite is null, since JSON has no such numbers.
    """
    flat = np.frombuffer(raw, BY_OIP_WORD[output.datatype].dtype)
    # As Python's numbers: doubles, which hold every float32 and float16 exactly, and are written exactly.
    pieces = [orjson.dumps(flat[start : start + PIECE].tolist())[1:-1] for start in range(0, len(flat), PIECE)]
    return b"[" + b",".join(pieces) + b"]"


def most_bytes(output: ModelInferResponse.InferOutputTensor, raw: bytes) -> int:
    """Return the most bytes that the elements of an output take as a flat list."""
    dtype = BY_OIP_WORD[output.datatype].dtype
    match dtype.kind:
        case "f":
            longest = _DOUBLE_BYTES
        case "b":
            longest = len("false")
        case _:
            longest = max(len(str(np.iinfo(dtype).min)), len(str(np.iinfo(dtype).max)))
    return len("[]") + len(raw) // dtype.itemsize * (longest + len(","))


def _array(tensor: Input, data: object, dtype: np.dtype[Any]) -> NDArray[Any]:
    if not isinstance(data, list):
        raise ServiceError(Reason.JSON_INVALID, field="inputs.data", expected="a list of numbers")
    try:
        found = np.array(data)
        if found.dtype.kind == "f" and dtype == np.uint64:  # numpy's choice for numbers on both sides of 2^63
            found = _unsigned(np.array(data, object))
    except ValueError:  # lists of different lengths, or too deep
        raise ServiceError(
            Reason.JSON_INVALID, field="inputs.data", expected="a flat list, or lists as deep as the shape"
        ) from None
    is_mixed = found.dtype.kind in "iuf" and _has_truths(data)
    if found.size and (is_mixed or found.dtype.kind not in _KINDS[dtype.kind]):
        word = "of mixed types" if is_mixed else _word(found)
        raise ServiceError(Reason.INPUT_TYPE_MISMATCH, input=tensor.name, data_type=word, expected=tensor.datatype)
    return found


def _has_truths(data: list[Any]) -> bool:
    """Return whether true or false is among the elements: next to numbers numpy takes them for 1 and 0."""
    kinds = set(map(type, data))
    return bool in kinds or (list in kinds and any(_has_truths(each) for each in data if isinstance(each, list)))


def _unsigned(found: NDArray[Any]) -> NDArray[Any]:
    are_integers = all(type(each) is int and each >= 0 for each in found.flat)
    return found.astype(np.uint64 if are_integers else np.float64)


def _word(found: NDArray[Any]) -> str:
    return {"f": "numbers with fractions", "b": "true and false", "U": "texts"}.get(found.dtype.kind, "of mixed types")
