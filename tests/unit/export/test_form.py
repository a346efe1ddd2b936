"""The check of a graph's form refuses, by name, whatever would not keep bits."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from export import ExportError, form

Axes = list[str | int]
WEIGHT = np.ones((3, 3), np.float32)


def graph(
    *nodes: onnx.NodeProto,
    frames: Axes = ["batch", "time", 3],  # noqa: B006
    outputs: Axes = ["batch", "time", 3],  # noqa: B006
    weight_is_input: bool = False,
) -> onnx.ModelProto:
    inputs = [helper.make_tensor_value_info("frames", TensorProto.FLOAT, frames)]
    inputs += [helper.make_tensor_value_info("length", TensorProto.INT64, ["batch"])]
    if weight_is_input:
        inputs += [helper.make_tensor_value_info("weight", TensorProto.FLOAT, ["batch", 3])]
    results = [helper.make_tensor_value_info("outputs", TensorProto.FLOAT, outputs)]
    weights = [numpy_helper.from_array(WEIGHT, "weight")]
    return helper.make_model(helper.make_graph(list(nodes), "graph", inputs, results, weights))


def product(*inputs: str) -> onnx.NodeProto:
    return helper.make_node("MatMul", inputs, ["outputs"], name="product")


def refused(model: onnx.ModelProto) -> str:
    with pytest.raises(ExportError) as caught:
        form.check(model)
    return str(caught.value)


def test_a_constant_weight_on_the_right_passes() -> None:
    form.check(graph(product("frames", "weight")))


@pytest.mark.parametrize("axes", [["batch", 7, 3], [1, "time", 3]])
def test_a_frozen_axis_is_refused(axes: Axes) -> None:
    assert "frames has the axes" in refused(graph(product("frames", "weight"), frames=axes))
    assert "outputs has the axes" in refused(graph(product("frames", "weight"), outputs=axes))


def test_a_feature_axis_may_not_be_free() -> None:
    assert "only batch and time" in refused(graph(product("frames", "weight"), outputs=["batch", "time", "width"]))


def test_a_weight_on_the_left_is_refused() -> None:
    assert "product" in refused(graph(product("weight", "frames")))


def test_a_weight_that_a_caller_may_replace_is_refused() -> None:
    node = helper.make_node("Gemm", ["frames", "weight"], ["outputs"], name="product")
    form.check(graph(node))
    assert "not prepacked" in refused(graph(node, weight_is_input=True))


def test_batch_normalization_in_training_mode_is_refused() -> None:
    names = ["frames", "scale", "bias", "mean", "variance"]
    evaluated = helper.make_node("BatchNormalization", names, ["outputs"], name="norm")
    form.check(graph(evaluated))
    trained = helper.make_node("BatchNormalization", names, ["outputs", "m", "v"], name="norm", training_mode=1)
    assert "training mode" in refused(graph(trained))


@pytest.mark.parametrize("operator", ["Conv", "ReduceMean", "ReduceSum", "RNN", "Einsum", "Softplus"])
def test_operators_that_do_not_keep_bits_are_refused_by_name(operator: str) -> None:
    node = helper.make_node(operator, ["frames"], ["outputs"], name="culprit")
    assert f"{operator} (culprit)" in refused(graph(node))


def test_an_lstm_needs_sequence_lengths() -> None:
    without = helper.make_node("LSTM", ["frames", "weight", "weight"], ["outputs"], name="lstm")
    assert "sequence lengths" in refused(graph(without))
    form.check(graph(helper.make_node("LSTM", ["frames", "weight", "weight", "", "length"], ["outputs"])))


def test_graphs_inside_nodes_are_looked_at() -> None:
    inner = helper.make_node("Conv", ["x"], ["y"], name="inside")
    body = helper.make_graph([inner], "body", [], [helper.make_tensor_value_info("y", TensorProto.FLOAT, [3])])
    scan = helper.make_node("Scan", ["frames"], ["outputs"], name="scan", body=body, num_scan_inputs=1)
    assert "inside" in refused(graph(scan))
