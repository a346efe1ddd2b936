"""What is known of a tensor at one size of batch and time: element type, shape, and value if it is small."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

Array = npt.NDArray[Any]
Shape = tuple[int | None, ...]
SMALL = 256  # elements; only shapes, axes and such need a value


@dataclass(frozen=True, kw_only=True)
class Tensor:
    """`shape` is None when not even the rank is known; `element` is a TensorProto.DataType, 0 when unknown."""

    element: int = 0
    shape: Shape | None = None
    value: Array | None = None

    @classmethod
    def of_value(cls, value: Array) -> Tensor:
        """Describe a value; it is kept when it is small."""
        element = helper.np_dtype_to_tensor_dtype(value.dtype)
        return cls(element=element, shape=value.shape, value=value if value.size <= SMALL else None)

    @classmethod
    def of_initializer(cls, tensor: onnx.TensorProto) -> Tensor:
        """Describe a weight without reading it, unless it is small and stands in the file."""
        if math.prod(tensor.dims) <= SMALL and tensor.data_location != onnx.TensorProto.EXTERNAL:
            return replace(cls.of_value(numpy_helper.to_array(tensor)), element=tensor.data_type)
        return cls(element=tensor.data_type, shape=tuple(tensor.dims))

    @classmethod
    def of_type(cls, proto: onnx.TypeProto) -> Tensor:
        """Describe what shape inference says; sequences, maps and optionals are unknown."""
        if not proto.HasField("tensor_type"):
            return cls()
        kind = proto.tensor_type
        if not kind.HasField("shape"):
            return cls(element=kind.elem_type)
        dims = (dim.dim_value if dim.HasField("dim_value") else None for dim in kind.shape.dim)
        return cls(element=kind.elem_type, shape=tuple(dims))

    def type(self) -> onnx.TypeProto:
        """Return it as ONNX's shape inference wants it."""
        return helper.make_tensor_type_proto(self.element, self.shape)

    def without_value(self) -> Tensor:
        """Return what holds of it in every turn of a loop."""
        return replace(self, value=None)

    def merged(self, other: Tensor) -> Tensor:
        """Return what holds of both."""
        element = self.element if self.element == other.element else 0
        if self.shape is None or other.shape is None or len(self.shape) != len(other.shape):
            return Tensor(element=element)
        return Tensor(
            element=element, shape=tuple(a if a == b else None for a, b in zip(self.shape, other.shape, strict=True))
        )


def matmul_shape(left: Shape | None, right: Shape | None) -> Shape | None:
    """Return the shape of a product, None when a rank is unknown or is 1."""
    if left is None or right is None or min(len(left), len(right)) < 2:
        return None
    lead = max(left[:-2], right[:-2], key=len)
    other = min(left[:-2], right[:-2], key=len)
    for k in range(1, len(other) + 1):
        lead = (*lead[: len(lead) - k], _broadcast(lead[-k], other[-k]), *lead[len(lead) - k + 1 :])
    return (*lead, left[-2], right[-1])


def _broadcast(a: int | None, b: int | None) -> int | None:
    if a == 1 or b == 1:
        return b if a == 1 else a
    return a if a == b else None


def constant_of(node: onnx.NodeProto) -> Array | None:
    """Return the value of a Constant node, None for strings and sparse ones."""
    for attribute in node.attribute:
        match attribute.name:
            case "value" if attribute.t.data_location != onnx.TensorProto.EXTERNAL:
                return numpy_helper.to_array(attribute.t)
            case "value_int" | "value_ints" | "value_float" | "value_floats":
                value = helper.get_attribute_value(attribute)
                return np.asarray(value, np.int64 if "int" in attribute.name else np.float32)
    return None
