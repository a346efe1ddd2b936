"""Arrays to the wire and back."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import numpy.typing as npt

from soloist.client.errors import invalid_input
from soloist.v1 import tensor_pb2

Array = npt.NDArray[Any]

_DTYPES: dict[tensor_pb2.DataType.ValueType, np.dtype[Any]] = {
    tensor_pb2.DATA_TYPE_FLOAT32: np.dtype(np.float32),
    tensor_pb2.DATA_TYPE_FLOAT64: np.dtype(np.float64),
    tensor_pb2.DATA_TYPE_FLOAT16: np.dtype(np.float16),
    tensor_pb2.DATA_TYPE_INT8: np.dtype(np.int8),
    tensor_pb2.DATA_TYPE_INT16: np.dtype(np.int16),
    tensor_pb2.DATA_TYPE_INT32: np.dtype(np.int32),
    tensor_pb2.DATA_TYPE_INT64: np.dtype(np.int64),
    tensor_pb2.DATA_TYPE_UINT8: np.dtype(np.uint8),
    tensor_pb2.DATA_TYPE_UINT16: np.dtype(np.uint16),
    tensor_pb2.DATA_TYPE_UINT32: np.dtype(np.uint32),
    tensor_pb2.DATA_TYPE_UINT64: np.dtype(np.uint64),
    tensor_pb2.DATA_TYPE_BOOL: np.dtype(np.bool_),
}
_DATA_TYPES = {dtype: data_type for data_type, dtype in _DTYPES.items()}


def dtype_of(data_type: tensor_pb2.DataType.ValueType) -> np.dtype[Any] | None:
    """Give numpy's name of a wire type; None for one this client does not know."""
    return _DTYPES.get(data_type)


def to_tensor(array: Array) -> tensor_pb2.Tensor:
    """Pack an array of any shape and order; raises InvalidInputError for what is not numbers."""
    data_type = _DATA_TYPES.get(array.dtype.newbyteorder("="))
    if data_type is None:
        raise invalid_input("NOT_NUMERIC", f"Frames of type {array.dtype} are not numbers.", data_type=array.dtype)
    if not _is_little_endian(array.dtype):
        array = array.astype(array.dtype.newbyteorder("<"))
    return tensor_pb2.Tensor(data_type=data_type, shape=array.shape, data=array.tobytes())


def to_array(tensor: tensor_pb2.Tensor) -> Array:
    """Unpack a tensor into an array of its own, which may be written to."""
    dtype = _DTYPES[tensor.data_type].newbyteorder("<")
    return np.frombuffer(tensor.data, dtype).reshape(tuple(tensor.shape)).copy()


def _is_little_endian(dtype: np.dtype[Any]) -> bool:
    return dtype.byteorder in "<|" or (dtype.byteorder == "=" and sys.byteorder == "little")
