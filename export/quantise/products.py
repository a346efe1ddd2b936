"""The one form in which all products with a weight are quantised: MatMul with a constant [K, N] on the right.

What stands in another form is brought into it: Gemm becomes MatMul and Add; an LSTM node becomes its gates' input part
(a MatMul over all frames) and a Scan over the rest (export/quantise/lstm.py).
"""

from __future__ import annotations

import onnx
from onnx import helper

from export.quantise.lstm import unrolled
from export.quantise.scope import Constants, drop_unread, replace, scopes


def in_products(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a copy of a model in which every product with a constant weight that allows it is a MatMul."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    constants = Constants(copy)
    replace(copy.graph, _each(copy.graph, "LSTM", constants))
    for scope in scopes(copy.graph):
        replace(scope.graph, _each(scope.graph, "Gemm", constants))
    drop_unread(copy)
    return copy


def _each(graph: onnx.GraphProto, operator: str, constants: Constants) -> dict[int, list[onnx.NodeProto]]:
    make = {"LSTM": unrolled, "Gemm": _matmul}[operator]
    made = {i: make(node, constants) for i, node in enumerate(graph.node) if node.op_type == operator}
    return {index: nodes for index, nodes in made.items() if nodes is not None}


def _matmul(node: onnx.NodeProto, constants: Constants) -> list[onnx.NodeProto] | None:
    attributes = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
    weight = constants.get(node.input[1])
    plain = attributes.get("alpha", 1.0) == attributes.get("beta", 1.0) == 1.0 and not attributes.get("transA", 0)
    if weight is None or not plain:
        return None
    name = node.input[1]
    if attributes.get("transB", 0):
        name = constants.add(f"{name}.transposed", weight.T)
    if len(node.input) < 3:
        return [helper.make_node("MatMul", [node.input[0], name], node.output, name=node.name)]
    product = f"{node.output[0]}.product"
    return [
        helper.make_node("MatMul", [node.input[0], name], [product], name=node.name),
        helper.make_node("Add", [product, node.input[2]], node.output, name=f"{node.name}.bias"),
    ]
