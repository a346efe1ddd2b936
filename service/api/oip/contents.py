"""The conversion of the protocol's tensors to arrays and back, raw or typed, whatever they mean to the model."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from service.core.errors import Reason, ServiceError
from service.core.request_limits import MAX_AXES, MAX_EMPTY_ELEMENTS, at_most, is_hollow
from service.core.tensors import check_truths
from soloist.data_types import BY_OIP_WORD, oip_word_of
from soloist.oip.grpc_service_pb2 import InferTensorContents, ModelInferRequest, ModelInferResponse

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Typed elements are converted in pieces of this size: each takes a millisecond, in which no other thread runs.
_LONG = 16_384

Input = ModelInferRequest.InferInputTensor


def is_raw(request: ModelInferRequest) -> bool:
    """Return whether the tensors of a request are raw; a request without tensors counts as raw."""
    return bool(request.raw_input_contents) or not any(tensor.HasField("contents") for tensor in request.inputs)


def decode(request: ModelInferRequest) -> dict[str, NDArray[Any]]:
    """Return every input by name, read-only.

    Raises:
        ServiceError: an input occurs twice, has an unknown type, or its elements don't fit its shape and type.

    """
    raw = request.raw_input_contents
    typed = sum(tensor.HasField("contents") for tensor in request.inputs)
    if raw and (typed or len(raw) != len(request.inputs)):
        raise ServiceError(Reason.CONTENTS_MISMATCH, raw=len(raw), inputs=len(request.inputs), typed=typed)
    arrays: dict[str, NDArray[Any]] = {}
    for index, tensor in enumerate(request.inputs):
        if tensor.name in arrays:
            raise ServiceError(Reason.INPUT_UNKNOWN, input=tensor.name)
        arrays[tensor.name] = _from_raw(tensor, raw[index]) if raw else _from_typed(tensor)
    return arrays


def is_long(request: ModelInferRequest) -> bool:
    """Return whether decoding the typed elements of a request takes longer than a millisecond."""
    return sum(len(value) for tensor in request.inputs for _, value in tensor.contents.ListFields()) > _LONG


def is_long_typed(arrays: Mapping[str, NDArray[Any]]) -> bool:
    """Return whether encoding outputs as typed elements takes longer than a millisecond."""
    return sum(array.size for array in arrays.values()) > _LONG


def have_typed_form(arrays: Mapping[str, NDArray[Any]]) -> bool:
    """Return whether all arrays have a typed form."""
    return all(BY_OIP_WORD[oip_word_of(array.dtype)].contents_field for array in arrays.values())


def encode(response: ModelInferResponse, arrays: Mapping[str, NDArray[Any]], *, raw: bool) -> None:
    """Append outputs to a response, all raw or all typed.

    Raises:
        ServiceError: CONTENTS_RAW_ONLY, if a type has no typed form.

    """
    for name, array in arrays.items():
        word = oip_word_of(array.dtype)
        output = response.outputs.add(name=name, datatype=word, shape=array.shape)
        if raw:
            response.raw_output_contents.append(array.tobytes())
        else:
            field, flat = _field(output.contents, word), array.ravel()
            for start in range(0, len(flat), _LONG):
                field.extend(flat[start : start + _LONG].tolist())


def _from_raw(tensor: Input, data: bytes) -> NDArray[Any]:
    dtype, count = dtype_of_input(tensor), element_count(tensor)
    if len(data) != count * dtype.itemsize:
        raise size_mismatch(tensor, len(data), count * dtype.itemsize, "bytes")
    array = np.frombuffer(data, dtype).reshape(tensor.shape)
    check_truths(tensor.name, array)
    return array


def _from_typed(tensor: Input) -> NDArray[Any]:
    dtype, count = dtype_of_input(tensor), element_count(tensor)
    elements = _field(tensor.contents, tensor.datatype)
    filled = [field.name for field, _ in tensor.contents.ListFields()]
    if len(elements) != count or len(filled) > 1:
        others = 0 if len(filled) < 2 else sum(len(value) for _, value in tensor.contents.ListFields())
        raise size_mismatch(tensor, others or len(elements), count, "elements")
    wide = np.empty(count, dtype if dtype.kind in "fb" or dtype.itemsize == 8 else np.int64)
    for start in range(0, count, _LONG):
        wide[start : start + _LONG] = elements[start : start + _LONG]
    array = within_range(tensor.name, wide, dtype).reshape(tensor.shape)
    array.setflags(write=False)
    return array


def within_range(name: str, wide: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return finite numbers of an input as another type, which may have a smaller range.

    A float counts as what it is rounded to: the shortest text of the largest FP32 is a little larger than that.

    Raises:
        ServiceError: INPUT_VALUE_OUT_OF_RANGE.

    """
    if wide.dtype != dtype and wide.size and dtype.kind in "iuf":
        limits = np.iinfo(dtype) if dtype.kind in "iu" else np.finfo(dtype)
        minimum, maximum = limits.min, limits.max
        if wide.min() < minimum or wide.max() > maximum:
            outside = (wide < minimum) | (wide > maximum)
            if dtype.kind == "f":
                with np.errstate(over="ignore"):
                    outside = np.isinf(wide.astype(dtype))
            if outside.any():
                raise ServiceError(
                    Reason.INPUT_VALUE_OUT_OF_RANGE,
                    input=name,
                    value=wide[outside][0].item(),
                    minimum=minimum,
                    maximum=maximum,
                )
    return wide.astype(dtype)


def _field(contents: InferTensorContents, word: str) -> Any:
    field = BY_OIP_WORD[word].contents_field
    if field is None:
        raise ServiceError(Reason.CONTENTS_RAW_ONLY, data_type=word)
    return getattr(contents, field)


def dtype_of_input(tensor: Input) -> np.dtype[Any]:
    """Return the type of an input's elements.

    Raises:
        ServiceError: INPUT_TYPE_MISMATCH.

    """
    if tensor.datatype not in BY_OIP_WORD:
        raise ServiceError(
            Reason.INPUT_TYPE_MISMATCH, input=tensor.name, data_type=tensor.datatype, expected="a type of numbers"
        )
    return BY_OIP_WORD[tensor.datatype].dtype


def element_count(tensor: Input) -> int:
    """Return how many elements the shape of an input needs.

    Raises:
        ServiceError: TOO_MANY_ENTRIES or INPUT_SHAPE_MISMATCH.

    """
    at_most(MAX_AXES, tensor.shape, "inputs.shape")
    if any(size < 0 for size in tensor.shape) or is_hollow(tensor.shape):
        raise ServiceError(
            Reason.INPUT_SHAPE_MISMATCH,
            input=tensor.name,
            shape=list(tensor.shape),
            expected=f"no axis below 0, and at most {MAX_EMPTY_ELEMENTS} as the product of what isn't 0",
        )
    return math.prod(tensor.shape)


def size_mismatch(tensor: Input, size: int, expected: int, unit: str) -> ServiceError:
    """Return the error of an input with too few or too many elements."""
    return ServiceError(Reason.INPUT_SIZE_MISMATCH, input=tensor.name, size=size, unit=unit, expected=expected)
