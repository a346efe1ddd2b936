"""Arrays to the wire and back."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import numpy.typing as npt

from soloist.client.errors import invalid_input
from soloist.data_types import data_type_of, dtype_of
from soloist.v1 import tensor_pb2

Array = npt.NDArray[Any]


def to_tensor(array: Array) -> tensor_pb2.Tensor:
    """Pack an array of any shape and order; raises InvalidInputError for what is not numbers."""
    try:
        data_type = data_type_of(array.dtype)
    except KeyError:
        text = f"Frames of type {array.dtype} are not numbers."
        raise invalid_input("NOT_NUMERIC", text, data_type=array.dtype) from None
    if not _is_little_endian(array.dtype):
        array = array.astype(array.dtype.newbyteorder("<"))
    return tensor_pb2.Tensor(data_type=data_type, shape=array.shape, data=array.tobytes())


def to_array(tensor: tensor_pb2.Tensor) -> Array:
    """Unpack a tensor into an array of its own, which may be written to."""
    return np.frombuffer(tensor.data, dtype_of(tensor.data_type)).reshape(tuple(tensor.shape)).copy()


def _is_little_endian(dtype: np.dtype[Any]) -> bool:
    return dtype.byteorder in "<|" or (dtype.byteorder == "=" and sys.byteorder == "little")
