"""Owns what a graph may look like: free axes, and only the operator forms that keep bits (ARCHITECTURE.md)."""

from __future__ import annotations

from collections.abc import Iterator

import onnx

from export.errors import ExportError

_POSITION = "its bits depend on an element's position in memory"
_SUM = "its sums depend on what shares the batch or the chunk"
BANNED = {
    "Conv": "its bits depend on the length of the chunk",
    "ConvTranspose": "its bits depend on the length of the chunk",
    "RNN": "its bits depend on the batch",
    "Einsum": "its bits depend on the batch",
    "DynamicQuantizeLinear": "one scale is taken over the whole batch",
    "MatMulInteger": "its scale is taken over the whole batch",
    "Dropout": "it has no place in inference",
    **dict.fromkeys(("ReduceMean", "ReduceSum", "ReduceL2", "ReduceSumSquare", "GlobalAveragePool"), _SUM),
    **dict.fromkeys(("Log", "Softplus", "Elu", "Selu", "Celu", "Mish"), _POSITION),
    **dict.fromkeys(("Sin", "Cos", "Asin", "Acos", "Atan"), _POSITION),
}


def check(model: onnx.ModelProto) -> None:
    """Raise ExportError, naming every tensor and node at fault, unless the graph is in the form that keeps bits."""
    faults = [*_axes(model.graph), *_operators(model.graph, set(), set())]
    if faults:
        raise ExportError("the graph is not in the form that keeps bits: " + "; ".join(faults))


def _axes(graph: onnx.GraphProto) -> Iterator[str]:
    batch = graph.input[0].type.tensor_type.shape.dim[0].dim_param
    time = graph.input[0].type.tensor_type.shape.dim[1].dim_param
    for value in (*graph.input, *graph.output):
        axes = [axis.dim_param or axis.dim_value for axis in value.type.tensor_type.shape.dim]
        free = [batch, time] if value.name in ("frames", "outputs") else [batch]
        if not all(free) or axes[: len(free)] != free:
            yield f"{value.name} has the axes {axes}, where batch and time have to be free"
        elif any(isinstance(axis, str) for axis in axes[len(free) :]):
            yield f"{value.name} has the axes {axes}, of which only batch and time may be free"


def _operators(graph: onnx.GraphProto, constants: set[str], inputs: set[str]) -> Iterator[str]:
    inputs = inputs | {value.name for value in graph.input}
    # One that is a graph input as well may be replaced by a caller, so the runtime doesn't prepack it.
    constants = constants | {tensor.name for tensor in graph.initializer if tensor.name not in inputs}
    for node in graph.node:
        if fault := _fault(node, constants):
            yield f"{node.op_type} ({node.name}): {fault}"
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                yield from _operators(attribute.g, constants, inputs)


def _fault(node: onnx.NodeProto, constants: set[str]) -> str | None:
    match node.op_type:
        case "BatchNormalization" if any(a.name == "training_mode" and a.i for a in node.attribute):
            return "in training mode an answer is normalised with the batch it came in"
        case "MatMul" | "Gemm":
            return _weight_fault(node, constants)
        case "LSTM" | "GRU":
            return _recurrence_fault(node, constants)
    return BANNED.get(node.op_type)


def _weight_fault(node: onnx.NodeProto, constants: set[str]) -> str | None:
    if node.input[0] in constants:
        return "the weight is on the left, where it is not prepacked"
    if node.input[1] not in constants and node.op_type == "Gemm":
        return "the weight is no constant, so it is not prepacked"
    return None  # a MatMul of two activations is attention; its shape is the model's own business


def _recurrence_fault(node: onnx.NodeProto, constants: set[str]) -> str | None:
    if not all(name in constants for name in node.input[1:3]):
        return "the weights are no constants, so they are not prepacked"
    if len(node.input) < 5 or not node.input[4]:
        return "without sequence lengths, padding enters the states"
    return None
