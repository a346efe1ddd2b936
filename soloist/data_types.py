"""The table of element types, each by all of its names: on the wire, in numpy, in other servers, in ONNX Runtime."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from soloist.v1 import tensor_pb2
from soloist.v1.tensor_pb2 import DataType


@dataclass(frozen=True, kw_only=True)
class ElementType:
    """An entry of the table.

    `data_type` is the number of soloist.v1, `dtype` numpy's type as it travels (little-endian), `oip_word` the Open
    Inference Protocol's word, `contents_field` the field of InferTensorContents that holds such elements typed (None:
    they are sent raw only), and `onnx_type` what ONNX Runtime calls a tensor of them.
    """

    data_type: DataType.ValueType
    dtype: np.dtype[Any]
    oip_word: str
    contents_field: str | None
    onnx_type: str

    @property
    def config_type(self) -> str:
        """Return the name in a config.pbtxt, for instance TYPE_FP32."""
        return f"TYPE_{self.oip_word}"


def _row(
    data_type: DataType.ValueType, dtype: str, oip_word: str, contents_field: str | None, onnx_word: str
) -> ElementType:
    return ElementType(
        data_type=data_type,
        dtype=np.dtype(dtype),
        oip_word=oip_word,
        contents_field=contents_field,
        onnx_type=f"tensor({onnx_word})",
    )


ELEMENT_TYPES = (
    _row(tensor_pb2.DATA_TYPE_FLOAT32, "<f4", "FP32", "fp32_contents", "float"),
    _row(tensor_pb2.DATA_TYPE_FLOAT64, "<f8", "FP64", "fp64_contents", "double"),
    _row(tensor_pb2.DATA_TYPE_FLOAT16, "<f2", "FP16", None, "float16"),
    _row(tensor_pb2.DATA_TYPE_INT8, "i1", "INT8", "int_contents", "int8"),
    _row(tensor_pb2.DATA_TYPE_INT16, "<i2", "INT16", "int_contents", "int16"),
    _row(tensor_pb2.DATA_TYPE_INT32, "<i4", "INT32", "int_contents", "int32"),
    _row(tensor_pb2.DATA_TYPE_INT64, "<i8", "INT64", "int64_contents", "int64"),
    _row(tensor_pb2.DATA_TYPE_UINT8, "u1", "UINT8", "uint_contents", "uint8"),
    _row(tensor_pb2.DATA_TYPE_UINT16, "<u2", "UINT16", "uint_contents", "uint16"),
    _row(tensor_pb2.DATA_TYPE_UINT32, "<u4", "UINT32", "uint_contents", "uint32"),
    _row(tensor_pb2.DATA_TYPE_UINT64, "<u8", "UINT64", "uint64_contents", "uint64"),
    _row(tensor_pb2.DATA_TYPE_BOOL, "?", "BOOL", "bool_contents", "bool"),
)

BY_DATA_TYPE: Mapping[DataType.ValueType, ElementType] = MappingProxyType({row.data_type: row for row in ELEMENT_TYPES})
BY_DTYPE: Mapping[np.dtype[Any], ElementType] = MappingProxyType({row.dtype: row for row in ELEMENT_TYPES})
BY_OIP_WORD: Mapping[str, ElementType] = MappingProxyType({row.oip_word: row for row in ELEMENT_TYPES})
BY_CONFIG_TYPE: Mapping[str, ElementType] = MappingProxyType({row.config_type: row for row in ELEMENT_TYPES})
BY_ONNX_TYPE: Mapping[str, ElementType] = MappingProxyType({row.onnx_type: row for row in ELEMENT_TYPES})


def dtype_of(data_type: DataType.ValueType) -> np.dtype[Any]:
    """Return numpy's little-endian type for a number of soloist.v1.

    Raises:
        KeyError: It is no number of an element type.

    """
    return BY_DATA_TYPE[data_type].dtype


def data_type_of(dtype: np.dtype[Any]) -> DataType.ValueType:
    """Return the number of soloist.v1 for a type of numpy in any byte order.

    Raises:
        KeyError: Such elements don't travel.

    """
    # Most are little-endian as they are, and making a type takes longer than looking one up.
    found = BY_DTYPE.get(dtype)
    return (found or BY_DTYPE[dtype.newbyteorder("<")]).data_type


def oip_word_of(dtype: np.dtype[Any]) -> str:
    """Return the Open Inference Protocol's word, for instance FP32, for a type of numpy in any byte order.

    Raises:
        KeyError: Such elements don't travel.

    """
    return BY_DTYPE[dtype.newbyteorder("<")].oip_word


def name_of(data_type: int) -> str:
    """Return the name in error texts, for instance "float32"; the number itself for an unknown one."""
    known = DataType.DESCRIPTOR.values_by_number.get(data_type)
    return known.name.removeprefix("DATA_TYPE_").lower() if known else str(data_type)
