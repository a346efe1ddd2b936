"""Tables of token vectors as int8: rows are picked as uint8 and made float32 again, element by element."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper

from export.quantise.rounding import MIDDLE, by_column
from export.quantise.scope import Array, Constants, replace


def quantise_embeddings(model: onnx.ModelProto, tokens: int) -> None:
    """Replace a Gather from a constant float32 table [tokens, width] by one from uint8, with a scale a column.

    Tables with another number of rows are a normaliser's. `tokens` is 0 where frames are numbers.
    """
    constants = Constants(model)
    replaced = {}
    for index, node in enumerate(model.graph.node):
        table = constants.get(node.input[0]) if node.op_type == "Gather" else None
        axis = next((attribute.i for attribute in node.attribute if attribute.name == "axis"), 0)
        if table is not None and table.dtype == np.float32 and table.ndim == 2 and len(table) == tokens and axis == 0:
            replaced[index] = _picked(node, table, constants)
    replace(model.graph, replaced)


def _picked(node: onnx.NodeProto, table_VD: Array, constants: Constants) -> list[onnx.NodeProto]:
    quantised_VD, scale_D = by_column(table_VD)
    name, rows = node.input[0], f"{node.output[0]}.int8"
    names = [
        constants.add(f"{name}.scale", scale_D),
        constants.add(f"{name}.zero", np.full(len(scale_D), MIDDLE, np.uint8)),
    ]
    table = constants.add(f"{name}.int8", quantised_VD)
    return [
        helper.make_node("Gather", [table, node.input[1]], [rows], name=node.name),
        helper.make_node("DequantizeLinear", [rows, *names], node.output, name=f"{node.name}.dequantise", axis=-1),
    ]
