"""The output shapes of operators that ONNX has no schema for: the runtime's own, which its optimiser puts in."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper

from export.lint.tensors import Tensor, matmul_shape

_LIKE_FIRST = frozenset(
    ("BiasGelu", "FastGelu", "QuickGelu", "Gelu", "BiasSoftmax", "BiasDropout", "BiasAdd", "SkipLayerNormalization")
)
_LIKE_FIRST |= {"SkipSimplifiedLayerNormalization", "SimplifiedLayerNormalization", "RotaryEmbedding", "Inverse"}
_LIKE_FIRST |= {"RMSNormalization", "LayerNormalization", "QuantizeLinear", "GroupNorm", "SkipGroupNorm"}
_PRODUCTS = frozenset(("FusedMatMul", "TransposeMatMul", "FusedGemm", "FusedMatMulActivation"))
_PRODUCTS |= {"DynamicQuantizeMatMul", "MatMulIntegerToFloat"}


def outputs(node: onnx.NodeProto, inputs: list[Tensor]) -> list[Tensor] | None:
    """Return the outputs of a node in this table, else None."""
    if not inputs:
        return None
    first = Tensor(element=inputs[0].element, shape=inputs[0].shape)
    if node.op_type in _LIKE_FIRST and not (node.op_type == "QuantizeLinear" and not node.domain):
        return [first, *[Tensor()] * (len(node.output) - 1)]
    attributes = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
    if node.op_type in _PRODUCTS and len(inputs) > 1:
        left, right = inputs[0].shape, inputs[1].shape
        if left and attributes.get("transA"):
            left = (*left[:-2], *left[:-3:-1])
        if right and attributes.get("transB"):
            right = (*right[:-2], *right[:-3:-1])
        element = onnx.TensorProto.FLOAT if "Integer" in node.op_type else first.element
        return [Tensor(element=element, shape=matmul_shape(left, right))]
    if node.op_type == "MatMulNBits" and first.shape:
        return [Tensor(element=first.element, shape=(*first.shape[:-1], attributes.get("N")))]
    return None


def shape_of(node: onnx.NodeProto, tensor: Tensor) -> list[Tensor]:
    """Return the value of a Shape or Size node."""
    shape = tuple(axis or 0 for axis in tensor.shape or ())
    if node.op_type == "Size":
        return [Tensor.of_value(np.array(np.prod(shape, dtype=np.int64)))]
    bounds = {attribute.name: attribute.i for attribute in node.attribute}
    return [Tensor.of_value(np.array(shape[bounds.get("start", 0) : bounds.get("end", len(shape))], np.int64))]
