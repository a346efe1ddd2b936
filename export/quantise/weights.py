"""Weight-only int8: MatMulNBits, ONNX Runtime's own operator, for every product with a constant weight.

`accuracy_level` 4 rounds each row's activations to int8 in blocks, with scales of that row alone, and adds up whole
numbers; level 0 computes in float32 and its sums depend on the number of rows.
"""

from __future__ import annotations

import onnx
from onnx import helper

from export.quantise.embedding import quantise_embeddings
from export.quantise.products import in_products
from export.quantise.rounding import BLOCK, in_blocks
from export.quantise.scope import Array, Constants, drop_unread, replace, scopes, use_domain
from models.data import Split
from soloist.v1.model_pb2 import Signature

_DOMAIN = "com.microsoft"
ACCURACY_LEVEL = 4


def weights(model: onnx.ModelProto, signature: Signature, _train: Split) -> onnx.ModelProto:
    """Return a model's weight-only int8 form."""
    quantised = in_products(model)
    constants = Constants(quantised)
    for scope in scopes(quantised.graph):
        replaced = {}
        for index, node in enumerate(scope.graph.node):
            weight = constants.get(node.input[1]) if node.op_type == "MatMul" else None
            if weight is not None and weight.ndim == 2:
                replaced[index] = [_product(node, weight, constants)]
        replace(scope.graph, replaced)
    quantise_embeddings(quantised, signature.token_count)
    use_domain(quantised, _DOMAIN)
    drop_unread(quantised)
    return quantised


def _product(node: onnx.NodeProto, weight_KN: Array, constants: Constants) -> onnx.NodeProto:
    name = node.input[1]
    blocks_NbS, scale_Nb = in_blocks(weight_KN)
    inputs = [
        node.input[0],
        constants.add(f"{name}.int8", blocks_NbS),
        constants.add(f"{name}.scale", scale_Nb),
    ]
    return helper.make_node(
        "MatMulNBits",
        inputs,
        node.output,
        name=node.name,
        domain=_DOMAIN,
        K=weight_KN.shape[0],
        N=weight_KN.shape[1],
        bits=8,
        block_size=BLOCK,
        accuracy_level=ACCURACY_LEVEL,
    )
