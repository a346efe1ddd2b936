"""Sums: over time, the batch, features and unknown axes; norms in one node, in pieces, over time, in training mode."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import TensorProto

from tests.unit.export.lint_graphs import X, found, model, node, only, ramp

SUMS = ("ReduceMean", "ReduceSum", "ReduceL1", "ReduceL2", "ReduceSumSquare", "ReduceLogSumExp", "ReduceProd")


@pytest.mark.parametrize("op", SUMS)
@pytest.mark.parametrize("axis", [1, -2])
def test_a_sum_over_time_is_named(op: str, axis: int) -> None:
    finding = only(model([node(op, ["x", "axes"], ["y"], name="mean")], axes=[axis]))
    assert (finding.rule, finding.node) == ("reduction-over-time", "mean")
    assert finding.endangers == ("batch", "padding", "chunking")
    assert finding.severity == "danger"


def test_axes_may_be_an_attribute_in_old_opsets() -> None:
    assert found(model([node("ReduceMean", ["x"], ["y"], name="mean", axes=[1])], opset=11)) == [
        ("reduction-over-time", "mean")
    ]


def test_time_is_followed_through_transposes_and_reshapes() -> None:
    nodes = [
        node("Transpose", ["x"], ["t"], perm=[2, 1, 0]),
        node("Reshape", ["t", "shape"], ["r"]),
        node("ReduceL2", ["r", "axes"], ["y"], name="norm"),
    ]
    assert found(model(nodes, shape=[2, 4, -1], axes=[0])) == []
    assert found(model(nodes, shape=[2, 4, -1], axes=[2])) == [("reduction-over-batch", "norm")]
    assert found(model(nodes, shape=[8, 0, -1], axes=[1])) == [("reduction-over-time", "norm")]


def test_time_is_followed_through_computed_shapes() -> None:
    nodes = [
        node("Shape", ["x"], ["frames"], start=1, end=2),
        node("Concat", ["minus", "frames", "eight"], ["shape"], axis=0),
        node("Reshape", ["x", "shape"], ["r"]),
        node("ReduceL2", ["r", "axes"], ["y"], name="norm"),
    ]
    assert found(model(nodes, minus=[-1], eight=[8], axes=[1])) == [("reduction-over-time", "norm")]
    assert found(model(nodes, minus=[-1], eight=[8], axes=[2])) == []


@pytest.mark.parametrize("op", ["ReduceMean", "ReduceMax"])
def test_combining_sequences_is_named(op: str) -> None:
    assert found(model([node(op, ["x", "axes"], ["y"], name="mix")], axes=[0])) == [("reduction-over-batch", "mix")]


def test_sums_over_features_depend_on_the_address() -> None:
    finding = only(model([node("ReduceSum", ["x", "axes"], ["y"], name="sum")], axes=[-1]))
    assert (finding.rule, finding.node, finding.endangers) == ("reduction-over-features", "sum", ("batch",))


def test_an_axis_of_which_nothing_is_known_is_not_clean() -> None:
    nodes = [
        node("NonZero", ["x"], ["n"]),
        node("Cast", ["n"], ["f"], to=TensorProto.FLOAT),
        node("ReduceMean", ["f", "axes"], ["y"], name="mean"),
    ]
    finding = only(model(nodes, axes=[1]))
    assert (finding.rule, finding.node, finding.severity) == ("reduction-over-unknown-axis", "mean", "unknown")


@pytest.mark.parametrize("op", ["ReduceMax", "ReduceMin"])
def test_exact_reductions_over_time_are_clean(op: str) -> None:
    assert found(model([node(op, ["x", "axes"], ["y"])], axes=[1])) == []


def test_integers_add_up_exactly() -> None:
    nodes = [node("Cast", ["x"], ["i"], to=TensorProto.INT64), node("ReduceSum", ["i", "axes"], ["y"])]
    assert found(model(nodes, outputs=(("y", None, TensorProto.INT64),), axes=[1])) == []


def test_cumulative_sums_are_clean() -> None:
    nodes = [node("Concat", ["x", "x"], ["c"], axis=1), node("CumSum", ["c", "axis"], ["y"])]
    assert found(model(nodes, axis=1)) == []


def test_pooling_over_all_frames_is_named() -> None:
    nodes = [node("GlobalAveragePool", ["x"], ["y"], name="pool")]
    assert found(model(nodes, ("x", ("batch", 8, "time")))) == [("reduction-over-time", "pool")]


def test_padded_or_strided_pooling_over_time_is_named() -> None:
    channels = ("x", ("batch", 8, "time"))
    pool: dict[str, Any] = {"name": "pool", "kernel_shape": [2]}
    assert found(model([node("MaxPool", ["x"], ["y"], strides=[2], **pool)], channels)) == [
        ("pooling-over-time", "pool")
    ]
    assert found(model([node("MaxPool", ["x"], ["y"], **pool)], channels)) == []


@pytest.mark.parametrize(("axis", "rules"), [(-1, []), (1, [("norm-over-time", "norm")])])
def test_a_layer_norm_runs_over_features_only(axis: int, rules: list[tuple[str, str]]) -> None:
    norm = node("LayerNormalization", ["x", "scale"], ["y"], name="norm", axis=axis)
    scale = ("scale", ("time", 8)) if axis == 1 else None
    if scale:
        assert found(model([norm], X, scale)) == rules
    else:
        assert found(model([norm], scale=ramp(8))) == rules


def test_one_node_norms_are_clean() -> None:
    norm = node("RMSNormalization", ["x", "scale"], ["y"], axis=-1)
    assert found(model([norm], opset=23, scale=ramp(8))) == []


def test_a_norm_that_the_runtime_puts_together_is_clean_and_one_that_stays_in_pieces_is_not() -> None:
    nodes = [
        node("ReduceMean", ["x", "axes"], ["m"], name="mean"),
        node("Sub", ["x", "m"], ["d"]),
        node("Pow", ["d", "two"], ["s"]),
        node("ReduceMean", ["s", "axes"], ["v"], name="variance"),
        node("Add", ["v", "eps"], ["e"]),
        node("Sqrt", ["e"], ["r"]),
        node("Div", ["d", "r"], ["n"]),
        node("Mul", ["n", "scale"], ["g"]),
        node("Add", ["g", "bias"], ["y"]),
    ]
    constants: dict[str, Any] = {
        "axes": [-1],
        "two": np.float32(2),
        "eps": np.float32(1e-5),
        "scale": ramp(8),
        "bias": ramp(8),
    }
    assert found(model(nodes, **constants)) == []
    nodes[6] = node("Div", ["d", "r"], ["y"])
    assert found(model(nodes[:7], **constants)) == [("decomposed-norm", "mean"), ("decomposed-norm", "variance")]


@pytest.mark.parametrize("op", ["InstanceNormalization", "GroupNormalization"])
@pytest.mark.parametrize(("frames", "rule"), [("time", "norm-over-time"), (16, "norm-over-groups")])
def test_norms_over_groups_are_named(op: str, frames: str | int, rule: str) -> None:
    extra: dict[str, Any] = {"num_groups": 2} if op.startswith("Group") else {}
    norm = node(op, ["x", "scale", "bias"], ["y"], name="norm", **extra)
    rules = found(model([norm], ("x", ("batch", 8, frames)), scale=ramp(8), bias=ramp(8)))
    assert [entry for entry in rules if entry[1] == "norm"] == [(rule, "norm")]


def test_a_batch_norm_in_training_mode_is_a_trap_and_one_in_eval_mode_is_clean() -> None:
    inputs = ["x", "scale", "bias", "mean", "variance"]
    constants: dict[str, Any] = {name: ramp(4) + 1 for name in inputs[1:]}
    rows = ("x", ("batch", 4))
    training = node("BatchNormalization", inputs, ["y", "m", "v"], name="norm", training_mode=1)
    finding = only(model([training], rows, **constants))
    assert (finding.rule, finding.node, finding.severity) == ("batch-norm-training", "norm", "trap")
    assert found(model([node("BatchNormalization", inputs, ["y"])], rows, **constants)) == []


def test_before_opset_14_the_outputs_show_training_mode() -> None:
    inputs = ["x", "scale", "bias", "mean", "variance"]
    constants: dict[str, Any] = {name: ramp(4) + 1 for name in inputs[1:]}
    norm = node("BatchNormalization", inputs, ["y", "m", "v", "sm", "sv"], name="norm")
    assert ("batch-norm-training", "norm") in found(model([norm], ("x", ("batch", 4)), opset=9, **constants))
