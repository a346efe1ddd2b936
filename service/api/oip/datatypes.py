"""Element types by the protocol's words: arrays, fields that hold them typed, numbers in config.pbtxt."""

from __future__ import annotations

from typing import Any

import numpy as np

from soloist.oip import model_config_pb2 as config

DTYPES: dict[str, np.dtype[Any]] = {
    "BOOL": np.dtype("?"),
    "UINT8": np.dtype("u1"),
    "UINT16": np.dtype("<u2"),
    "UINT32": np.dtype("<u4"),
    "UINT64": np.dtype("<u8"),
    "INT8": np.dtype("i1"),
    "INT16": np.dtype("<i2"),
    "INT32": np.dtype("<i4"),
    "INT64": np.dtype("<i8"),
    "FP16": np.dtype("<f2"),
    "FP32": np.dtype("<f4"),
    "FP64": np.dtype("<f8"),
}
_WORDS = {dtype: word for word, dtype in DTYPES.items()}
# FP16 has none: there is no such number in the wire format.
CONTENTS_FIELDS = {
    "BOOL": "bool_contents",
    "UINT8": "uint_contents",
    "UINT16": "uint_contents",
    "UINT32": "uint_contents",
    "UINT64": "uint64_contents",
    "INT8": "int_contents",
    "INT16": "int_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
}


def word_of(dtype: np.dtype[Any]) -> str:
    """Give the protocol's word for an element type, for instance FP32."""
    return _WORDS[dtype.newbyteorder("<")]


def config_type_of(dtype: np.dtype[Any]) -> config.DataType.ValueType:
    """Give the number that stands for an element type in config.pbtxt."""
    return config.DataType.Value(f"TYPE_{word_of(dtype)}")
