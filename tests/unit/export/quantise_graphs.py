"""Owns small graphs for the tests of export/quantise: an LSTM node, a Gemm, and a product inside a Scan."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from service.engine.onnx_runtime import ort

Array = npt.NDArray[Any]
FEATURES, HIDDEN = 3, 5


def normal(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng([seed, *shape]).normal(size=shape).astype(np.float32)


def lstm(*, identity: bool = False, **attributes: str) -> onnx.ModelProto:
    """Inputs x [T, B, D], length [B] int32, h and c [1, B, H]; outputs y [T, 1, B, H], h_last and c_last."""
    features = 4 * HIDDEN if identity else FEATURES
    inputs = np.eye(features, dtype=np.float32) if identity else normal(4 * HIDDEN, features)
    weights = {"w": inputs[None], "r": normal(1, 4 * HIDDEN, HIDDEN), "b": normal(1, 8 * HIDDEN)}
    names = ["x", *weights, "length", "h", "c"]
    node = helper.make_node("LSTM", names, ["y", "h_last", "c_last"], name="the_lstm", hidden_size=HIDDEN, **attributes)
    values: dict[str, list[str | int | None]] = {
        "x": ["T", "B", features],
        "h": [1, "B", HIDDEN],
        "c": [1, "B", HIDDEN],
    }
    given = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in values.items()]
    given.append(helper.make_tensor_value_info("length", TensorProto.INT32, ["B"]))
    return _model([node], given, ["y", "h_last", "c_last"], weights)


def gemm(*, transposed: bool, bias: bool) -> onnx.ModelProto:
    """Give y [B, 4] of x [B, 3]."""
    weights = {"w": normal(4, 3) if transposed else normal(3, 4)} | ({"b": normal(4)} if bias else {})
    node = helper.make_node("Gemm", ["x", *weights], ["y"], name="the_gemm", transB=int(transposed))
    return _model([node], [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["B", 3])], ["y"], weights)


def _model(
    nodes: list[onnx.NodeProto], given: list[onnx.ValueInfoProto], results: list[str], weights: dict[str, Array]
) -> onnx.ModelProto:
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in results]
    initializers = [numpy_helper.from_array(value, name) for name, value in weights.items()]
    graph = helper.make_graph(nodes, "graph", given, outputs, initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 23)], ir_version=10)


def run(model: onnx.ModelProto, **feed: Array) -> list[Array]:
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    results: list[Array] = session.run(None, feed)
    return results


def operators(model: onnx.ModelProto) -> set[str]:
    """Name the operators of a model's own graph."""
    return {node.op_type for node in model.graph.node}
