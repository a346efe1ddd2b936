"""Static int8: QuantizeLinear and DequantizeLinear around every product, with scales fixed by calibration.

ONNX Runtime fuses them into MatMulIntegerToFloat: uint8 times uint8, summed in int32. Whole numbers add up to the same
in any order, so a product keeps its bits whatever the batch. Weights are uint8 around 128 rather than int8, since the
kernel for uint8 times int8 on processors without VNNI adds pairs of products in 16 bits, which overflow.

Both sides may be activations (attention). Everything else stays float32: normalisers, softmax, activations, the pool's
sum, biases, additions, and every state.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx
from onnx import helper

from export.quantise.calibration import Place, Range, calibrate
from export.quantise.embedding import quantise_embeddings
from export.quantise.products import in_products
from export.quantise.rounding import MIDDLE, by_column, parameters
from export.quantise.scope import Array, Constants, Scope, drop_unread, replace, scopes
from models.data import Split
from soloist.v1.model_pb2 import Signature


def static(model: onnx.ModelProto, signature: Signature, train: Split) -> onnx.ModelProto:
    """Return a model's static int8 form, calibrated on the training split. Raises ExportError as `calibrate` does."""
    quantised = in_products(model)
    constants = Constants(quantised)
    found = [(scope, index) for scope in scopes(quantised.graph) for index in _products(scope, constants)]
    places = {place for scope, index in found for place in _activations(scope, index, constants)}
    ranges = calibrate(quantised, signature, places, train.sequences)
    writer = _Writer(constants=constants, ranges=ranges)
    for scope in scopes(quantised.graph):
        replace(scope.graph, {i: writer.product(scope, i) for each, i in found if each.path == scope.path})
    quantise_embeddings(quantised, signature.token_count)
    drop_unread(quantised)
    return quantised


def _products(scope: Scope, constants: Constants) -> list[int]:
    """Return the MatMuls that can be quantised; inside of nodes, those of a Scan: calibration looks nowhere else."""
    if [owner.op_type for owner in scope.owners] not in ([], ["Scan"]):
        return []
    return [
        index
        for index, node in enumerate(scope.graph.node)
        if node.op_type == "MatMul"
        and constants.get(node.input[0]) is None
        and ((weight := constants.get(node.input[1])) is None or weight.ndim == 2)
    ]


def _activations(scope: Scope, index: int, constants: Constants) -> list[Place]:
    return [(scope.path, name) for name in scope.graph.node[index].input if constants.get(name) is None]


@dataclass(frozen=True, kw_only=True)
class _Writer:
    constants: Constants
    ranges: dict[Place, Range]

    def product(self, scope: Scope, index: int) -> list[onnx.NodeProto]:
        node = scope.graph.node[index]
        left, left_name = self._activation(scope, node, 0)
        weight = self.constants.get(node.input[1])
        right, right_name = self._activation(scope, node, 1) if weight is None else self._weight(node, weight)
        if weight is None or not scope.owners:
            return [*left, *right, helper.make_node("MatMul", [left_name, right_name], node.output, name=node.name)]
        return self._with_an_axis(node, [*left, *right], left_name, right_name)

    def _with_an_axis(
        self, node: onnx.NodeProto, operands: list[onnx.NodeProto], left_name: str, right_name: str
    ) -> list[onnx.NodeProto]:
        """Multiply with one more axis in front.

        A step of a recurrence has rows and columns only, and such a MatMul would be fused with the Add behind it into a
        Gemm in float32 before quantisation is looked at.
        """
        axis = self.constants.add("quantise.axis_0", np.array([0], np.int64))
        quantiser, inside, product = operands[0], f"{left_name}.rows", f"{node.output[0]}.rows"
        expand = helper.make_node("Unsqueeze", [quantiser.input[0], axis], [inside], name=f"{left_name}.unsqueeze")
        quantiser.input[0] = inside
        return [
            expand,
            *operands,
            helper.make_node("MatMul", [left_name, right_name], [product], name=node.name),
            helper.make_node("Squeeze", [product, axis], node.output, name=f"{node.output[0]}.squeeze"),
        ]

    def _activation(self, scope: Scope, node: onnx.NodeProto, side: int) -> tuple[list[onnx.NodeProto], str]:
        name = f"{node.output[0]}.{('left', 'right')[side]}"
        scale, zero = parameters(self.ranges[scope.path, node.input[side]])
        names = [
            self.constants.add(f"{scope.path}{name}.scale", scale),
            self.constants.add(f"{scope.path}{name}.zero", zero),
        ]
        pair = [
            helper.make_node("QuantizeLinear", [node.input[side], *names], [f"{name}.int8"], name=f"{name}.quantise"),
            helper.make_node("DequantizeLinear", [f"{name}.int8", *names], [name], name=f"{name}.dequantise"),
        ]
        return pair, name

    def _weight(self, node: onnx.NodeProto, weight_KN: Array) -> tuple[list[onnx.NodeProto], str]:
        name = node.input[1]
        quantised_KN, scale_N = by_column(weight_KN)
        names = [
            self.constants.add(f"{name}.int8", quantised_KN),
            self.constants.add(f"{name}.scale", scale_N),
            self.constants.add(f"{name}.zero", np.full(len(scale_N), MIDDLE, np.uint8)),
        ]
        result = f"{node.output[0]}.right"
        return [helper.make_node("DequantizeLinear", names, [result], name=f"{result}.dequantise", axis=1)], result
