"""The LSTM node as products one can quantise: ONNX Runtime's CPU provider has no LSTM with static int8 weights.

Its one int8 form, DynamicQuantizeLSTM, takes scales from whatever is in the call. So the gates' input part becomes one
MatMul over all frames, and the recurrence a Scan whose MatMul reads the hidden state.

Shapes: T time, B batch, D input width, H hidden width, G = 4H gates in ONNX's order input, output, forget, cell.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper

from export.quantise.scope import Array, Constants

_FLAGS = frozenset({"hidden_size"})  # any other attribute asks for something that isn't written here
_WEIGHTS = 4  # inputs W, R and B stand before this index
_INPUTS = 7


def unrolled(node: onnx.NodeProto, constants: Constants) -> list[onnx.NodeProto] | None:
    """Return nodes with the outputs of an LSTM node; None for one that isn't of the zoo's form.

    That form: forward, usual activations, constant weights with biases, sequence lengths and both initial states.
    """
    weights = [constants.get(name) for name in node.input[1:_WEIGHTS]]
    whole = len(node.input) == _INPUTS and all(node.input) and len(node.output) == 3
    if not whole or any(w is None for w in weights) or not _FLAGS.issuperset(a.name for a in node.attribute):
        return None
    inputs_GD, recurrent_GH, bias = (weight[0] for weight in weights if weight is not None)
    name = node.output[0]
    recurrent = constants.add(f"{name}.recurrent", recurrent_GH.T)
    return [
        *_gates(node, constants, inputs_GD, bias[: len(bias) // 2] + bias[len(bias) // 2 :]),
        *_valid(node, constants),
        helper.make_node("Squeeze", [node.input[5], _axis(constants, 0)], [f"{name}.h"], name=f"{name}.squeeze_h"),
        helper.make_node("Squeeze", [node.input[6], _axis(constants, 0)], [f"{name}.c"], name=f"{name}.squeeze_c"),
        helper.make_node(
            "Scan",
            [f"{name}.h", f"{name}.c", f"{name}.gates", f"{name}.valid"],
            [f"{name}.h_last", f"{name}.c_last", f"{name}.y"],
            name=node.name,
            body=_body(name, recurrent, recurrent_GH.shape[1]),
            num_scan_inputs=2,
        ),
        helper.make_node("Unsqueeze", [f"{name}.y", _axis(constants, 1)], [node.output[0]], name=f"{name}.result"),
        helper.make_node("Unsqueeze", [f"{name}.h_last", _axis(constants, 0)], [node.output[1]], name=f"{name}.last_h"),
        helper.make_node("Unsqueeze", [f"{name}.c_last", _axis(constants, 0)], [node.output[2]], name=f"{name}.last_c"),
    ]


def _axis(constants: Constants, axis: int) -> str:
    return constants.add(f"quantise.axis_{axis}", np.array([axis], np.int64))


def _gates(node: onnx.NodeProto, constants: Constants, inputs_GD: Array, bias_G: Array) -> list[onnx.NodeProto]:
    """Return the part of the gates that the recurrence doesn't change: [T, B, G]."""
    name = node.output[0]
    bias = constants.add(f"{name}.bias", bias_G)
    if np.array_equal(inputs_GD, np.eye(*inputs_GD.shape)):
        # the input is the gates' input part already, normalised
        return [helper.make_node("Add", [node.input[0], bias], [f"{name}.gates"], name=f"{name}.add_bias")]
    weight = constants.add(f"{name}.input", inputs_GD.T)
    return [
        helper.make_node("MatMul", [node.input[0], weight], [f"{name}.product"], name=f"{name}.input_product"),
        helper.make_node("Add", [f"{name}.product", bias], [f"{name}.gates"], name=f"{name}.add_bias"),
    ]


def _valid(node: onnx.NodeProto, constants: Constants) -> list[onnx.NodeProto]:
    """Return which frames are valid: [T, B, 1]."""
    name = node.output[0]
    zero, one = (constants.add(f"quantise.int_{value}", np.array(value, np.int64)) for value in (0, 1))
    return [
        helper.make_node("Shape", [node.input[0]], [f"{name}.shape"], name=f"{name}.shape_node", start=0, end=1),
        helper.make_node("Squeeze", [f"{name}.shape"], [f"{name}.time"], name=f"{name}.time_node"),
        helper.make_node("Range", [zero, f"{name}.time", one], [f"{name}.steps"], name=f"{name}.range"),
        helper.make_node(
            "Unsqueeze", [f"{name}.steps", _axis(constants, 1)], [f"{name}.steps_T1"], name=f"{name}.column"
        ),
        helper.make_node("Cast", [node.input[4]], [f"{name}.length"], name=f"{name}.cast", to=TensorProto.INT64),
        helper.make_node("Less", [f"{name}.steps_T1", f"{name}.length"], [f"{name}.valid_TB"], name=f"{name}.less"),
        helper.make_node(
            "Unsqueeze", [f"{name}.valid_TB", _axis(constants, 2)], [f"{name}.valid"], name=f"{name}.valid_node"
        ),
    ]


def _body(name: str, recurrent: str, hidden: int) -> onnx.GraphProto:
    """Return one step: h, c [B, H], gates [B, G], valid [B, 1] to the next h and c, and h once more as the output."""
    inside = f"{name}.step"

    def node(operator: str, inputs: str, outputs: str, **attributes: int) -> onnx.NodeProto:
        read = [each if each == recurrent else f"{inside}.{each}" for each in inputs.split()]
        made = [f"{inside}.{each}" for each in outputs.split()]
        node = helper.make_node(operator, read, made, name=f"{made[0]}_node")
        node.attribute.extend(helper.make_attribute(key, number) for key, number in attributes.items())
        return node

    nodes = [
        node("MatMul", f"h {recurrent}", "product"),
        node("Add", "gates product", "sum"),
        node("Split", "sum", "i o f g", axis=-1, num_outputs=4),
        *(node("Sigmoid", gate, f"{gate}_open") for gate in "iof"),
        node("Tanh", "g", "new"),
        node("Mul", "f_open c", "kept"),
        node("Mul", "i_open new", "added"),
        node("Add", "kept added", "cell"),
        node("Tanh", "cell", "squashed"),
        node("Mul", "o_open squashed", "hidden"),
        # Where, not a product: a padded frame may hold NaN
        node("Where", "valid hidden h", "h_next"),
        node("Where", "valid cell c", "c_next"),
        node("Identity", "h_next", "y"),
    ]

    def value(each: str, width: int, kind: int = TensorProto.FLOAT) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(f"{inside}.{each}", kind, ["batch", width])

    inputs = [value("h", hidden), value("c", hidden), value("gates", 4 * hidden), value("valid", 1, TensorProto.BOOL)]
    outputs = [value(each, hidden) for each in ("h_next", "c_next", "y")]
    return helper.make_graph(nodes, inside, inputs, outputs)
