"""Small graphs of somebody else's make: sound ones, and the same with one fault planted in each.

Every graph reads `x` [batch, time, 7] and `n` [batch], answers `y` [batch, time, 4], and carries `s` → `s_next`, the
sum over time so far.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

C, K = 7, 4
Nodes = list[onnx.NodeProto]

CONFIG = """
name: "planted"
backend: "onnxruntime"
max_batch_size: 64
input { name: "x" data_type: TYPE_FP32 dims: [ -1, 7 ] }
input { name: "n" data_type: TYPE_INT64 dims: [ 1 ] reshape: { shape: [ ] } }
output { name: "y" data_type: TYPE_FP32 dims: [ -1, 4 ] }
sequence_batching {
STATES
}
parameters { key: "length_input" value: { string_value: "n" } }
"""
STATE = '  state { input_name: "%s" output_name: "%s" data_type: TYPE_FP32 dims: [ 7 ] }'


def weights(seed: int, *shape: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


class Planted:
    """A graph in the making."""

    def __init__(self) -> None:
        self.nodes: Nodes = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, name: str, value: object) -> str:
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def node(self, op: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(op, inputs, [output], name=f"the_{output}", **attributes))
        return output

    def save(self, path: Path, *, states: list[tuple[str, str]]) -> Path:
        """Write model.onnx and, one folder up, config.pbtxt."""
        float32 = TensorProto.FLOAT
        inputs = [helper.make_tensor_value_info("x", float32, ["batch", "time", C])]
        inputs += [helper.make_tensor_value_info("n", TensorProto.INT64, ["batch"])]
        inputs += [helper.make_tensor_value_info(name, float32, ["batch", C]) for name, _ in states]
        outputs = [helper.make_tensor_value_info("y", float32, ["batch", "time", K])]
        outputs += [helper.make_tensor_value_info(name, float32, ["batch", C]) for _, name in states]
        graph = helper.make_graph(self.nodes, "planted", inputs, outputs, self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
        onnx.checker.check_model(model)
        path.parent.mkdir(parents=True, exist_ok=True)
        onnx.save(model, path)
        text = CONFIG.replace("STATES", "\n".join(STATE % pair for pair in states))
        (path.parent.parent / "config.pbtxt").write_text(text)
        return path


Layer = Callable[[Planted, str], str]


def plain(graph: Planted, x: str) -> str:
    """Projection with a constant 2-D weight on the right."""
    return graph.node("MatMul", [x, graph.constant("w", weights(1, C, C))], "projected")


def pooled(graph: Planted, h: str, *, state: str = "s", following: str = "s_next", masked: bool = True) -> str:
    """Running sum over time, carried as its first element; the next state is gathered at the last valid frame."""
    axis1 = graph.constant(f"axis1_{state}", np.array([1], np.int64))
    carried = graph.node("Unsqueeze", [state, axis1], f"carried_{state}")
    joined = graph.node("Concat", [carried, h], f"joined_{state}", axis=1)
    sums = graph.node("CumSum", [joined, graph.constant(f"one_{state}", np.array(1, np.int64))], f"sums_{state}")
    if masked:
        index = graph.node("Unsqueeze", ["n", axis1], f"index_{state}")
        rows = graph.node("GatherND", [sums, index], f"last_{state}", batch_dims=1)
        graph.node("Identity", [rows], following)
    else:
        graph.node("Gather", [sums, graph.constant(f"end_{state}", np.array(-1, np.int64))], following, axis=1)
    first = graph.constant(f"first_{state}", np.array([1], np.int64))
    end = graph.constant(f"all_{state}", np.array([2**62], np.int64))
    return graph.node("Slice", [sums, first, end, axis1], f"so_far_{state}")


def answer(graph: Planted, h: str) -> None:
    graph.node("MatMul", [h, graph.constant("head", weights(2, C, K))], "y")


def sound(path: Path) -> Path:
    graph = Planted()
    answer(graph, graph.node("Tanh", [pooled(graph, plain(graph, "x"))], "activated"))
    return graph.save(path, states=[("s", "s_next")])


def conv(path: Path) -> Path:
    graph = Planted()
    turned = graph.node("Transpose", [plain(graph, "x")], "turned", perm=[0, 2, 1])
    kernel = graph.constant("kernel", weights(3, C, C, 1))
    convolved = graph.node("Conv", [turned, kernel], "convolved")
    answer(graph, pooled(graph, graph.node("Transpose", [convolved], "turned_back", perm=[0, 2, 1])))
    return graph.save(path, states=[("s", "s_next")])


def reduce_mean(path: Path) -> Path:
    graph = Planted()
    h = plain(graph, "x")
    mean = graph.node("ReduceMean", [h, graph.constant("time", np.array([1], np.int64))], "mean_over_time")
    answer(graph, pooled(graph, graph.node("Sub", [h, mean], "centred")))
    return graph.save(path, states=[("s", "s_next")])


def softplus(path: Path) -> Path:
    graph = Planted()
    flat = graph.node("Softplus", [plain(graph, "x")], "softened")
    answer(graph, pooled(graph, flat))
    return graph.save(path, states=[("s", "s_next")])


def missing_mask(path: Path) -> Path:
    graph = Planted()
    answer(graph, pooled(graph, plain(graph, "x"), masked=False))
    graph.node("Identity", ["n"], "unused_length")
    return graph.save(path, states=[("s", "s_next")])


def dynamic_quantised(path: Path) -> Path:
    graph = Planted()
    graph.nodes.append(
        helper.make_node("DynamicQuantizeLinear", ["x"], ["q", "q_scale", "q_zero"], name="the_quantised")
    )
    integers = graph.constant("w8", np.clip(weights(1, C, C) * 40, -127, 127).astype(np.int8))
    product = graph.node("MatMulInteger", ["q", integers, "q_zero"], "product")
    floats = graph.node("Cast", [product], "product_float", to=TensorProto.FLOAT)
    answer(graph, pooled(graph, graph.node("Mul", [floats, "q_scale"], "dequantised")))
    return graph.save(path, states=[("s", "s_next")])


def training_batch_norm(path: Path) -> Path:
    graph = Planted()
    h = graph.node("Transpose", [plain(graph, "x")], "turned", perm=[0, 2, 1])
    parameters = [
        graph.constant(name, np.full(C, value, np.float32))
        for name, value in (("gain", 1), ("shift", 0), ("mean", 0), ("variance", 1))
    ]
    graph.nodes.append(
        helper.make_node(
            "BatchNormalization", [h, *parameters], ["normed", "new_mean", "new_variance"],
            name="the_normed", training_mode=1,
        )
    )  # fmt: skip
    answer(graph, pooled(graph, graph.node("Transpose", ["normed"], "turned_back", perm=[0, 2, 1])))
    return graph.save(path, states=[("s", "s_next")])


def swapped_states(path: Path) -> Path:
    """Two states of one shape whose outputs are paired the wrong way round in the configuration."""
    graph = Planted()
    h = plain(graph, "x")
    first = pooled(graph, h, state="a", following="a_next")
    doubled = graph.node("Add", [h, h], "doubled")
    second = pooled(graph, doubled, state="b", following="b_next")
    answer(graph, graph.node("Sub", [first, graph.node("Tanh", [second], "squashed")], "combined"))
    return graph.save(path, states=[("a", "b_next"), ("b", "a_next")])


FAULTS: dict[str, tuple[Callable[[Path], Path], str, str]] = {
    # fault: (graph, operator that the certificate has to name, dimension that has to fail)
    "conv": (conv, "Conv", "chunking"),
    "reduce-mean": (reduce_mean, "ReduceMean", "chunking"),
    "softplus": (softplus, "Softplus", "chunking"),
    "missing-mask": (missing_mask, "Gather", "padding"),
    "dynamic-quantised": (dynamic_quantised, "DynamicQuantizeLinear", "batch"),
    "training-batch-norm": (training_batch_norm, "BatchNormalization", "chunking"),
    "swapped-states": (swapped_states, "", "chunking"),
}
