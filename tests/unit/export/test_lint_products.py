"""Products: weights and their forms, attention, convolutions, recurrences, quantisation."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from tests.unit.export.lint_graphs import X, found, model, node, only, ramp, value, weights

MS = {"domain": "com.microsoft"}
HEADS = ("batch", 2, "time", 16)
QUERY, KEY, VALUE = ("q", HEADS), ("k", HEADS), ("v", HEADS)


def product(name: str = "product") -> onnx.NodeProto:
    return node("MatMul", ["x", "w"], ["y"], name=name)


def test_a_constant_matrix_on_the_right_is_clean() -> None:
    assert found(model([product()], w=ramp(8, 5))) == []
    gemm = node("Gemm", ["x", "w", "b"], ["y"], transB=1)
    assert found(model([gemm], ("x", ("batch", 8)), w=ramp(5, 8), b=ramp(5))) == []


def test_a_weight_that_the_optimiser_computes_beforehand_is_clean() -> None:
    transposed = [node("Transpose", ["v"], ["w"], perm=[1, 0]), product()]
    assert found(model(transposed, v=ramp(5, 8))) == []


def test_other_forms_of_weights_are_named() -> None:
    left = node("MatMul", ["w", "t"], ["y"], name="product")
    turned = node("Transpose", ["x"], ["t"], perm=[0, 2, 1])
    assert found(model([turned, left], w=ramp(5, 8))) == [("weight-on-the-left", "product")]
    assert found(model([product()], w=ramp(1, 8, 5))) == [("weight-not-2d", "product")]
    assert found(model([product()], X, ("w", (8, 5))))[-1] == ("weight-given", "product")


def test_a_weight_that_is_also_an_input_is_a_trap() -> None:
    finding = only(model([product()], X, ("w", (8, 5)), w=ramp(8, 5)))
    assert (finding.rule, finding.node, finding.severity) == ("weight-replaceable", "product", "trap")


def test_a_weight_that_is_dequantised_at_every_run_is_named() -> None:
    nodes = [node("DequantizeLinear", ["q", "scale"], ["w"], name="dequantise", axis=0), product()]
    graph = model(nodes, q=ramp(8, 5).astype(np.int8), scale=ramp(8) + 1)
    assert found(graph) == [("weight-computed", "product")]


def test_einsum_is_named() -> None:
    einsum = node("Einsum", ["x", "w"], ["y"], name="sum", equation="bk,kn->bn")
    rules = found(model([einsum], ("x", ("batch", 8)), w=ramp(8, 5)))
    assert rules == [("einsum", "sum")]


def attention(query: str = "q") -> list[onnx.NodeProto]:
    return [
        node("Transpose", ["k"], ["kt"], perm=[0, 1, 3, 2]),
        node("MatMul", [query, "kt"], ["s"], name="scores"),
        node("Where", ["mask", "s", "hidden"], ["m"]),
        node("Softmax", ["m"], ["p"], axis=-1, name="softmax"),
        node("MatMul", ["p", "v"], ["y"], name="values"),
    ]


MASK = ("mask", ("batch", 1, 1, "time"), TensorProto.BOOL)
HIDDEN = np.float32(-np.inf)


def test_one_query_row_is_named() -> None:
    rules = found(model(attention(), QUERY, KEY, VALUE, MASK, hidden=HIDDEN))
    assert rules == [("single-query-row", "scores"), ("single-query-row", "values")]


def test_a_repeated_query_row_is_clean() -> None:
    nodes = [
        node("Slice", ["q", "start", "end", "axis"], ["last"]),
        node("Concat", ["q", "last"], ["rows"], axis=2),
        *attention("rows"),
    ]
    constants: dict[str, Any] = {"start": [-1], "end": [2**62], "axis": [2], "hidden": HIDDEN}
    assert found(model(nodes, QUERY, KEY, VALUE, MASK, **constants)) == []


def test_tiles_of_fixed_size_are_clean() -> None:
    tiles = ("q", ("batch", 2, 16, 16))
    assert found(model(attention(), tiles, KEY, VALUE, MASK, hidden=HIDDEN)) == []


def test_wide_heads_are_named() -> None:
    wide = ("batch", 2, "time", 160)
    rules = found(model(attention(), ("q", ("batch", 2, 16, 160)), ("k", wide), ("v", wide), MASK, hidden=HIDDEN))
    assert ("wide-head", "scores") in rules


def test_fused_attention_has_query_rows_too() -> None:
    fused = node("MultiHeadAttention", ["q", "k", "v"], ["y"], name="attention", num_heads=2, **MS)
    flat = ("batch", "time", 32)
    assert found(model([fused], ("q", flat), ("k", flat), ("v", flat))) == [("single-query-row", "attention")]
    assert found(model([fused], ("q", ("batch", 4, 32)), ("k", flat), ("v", flat))) == []


@pytest.mark.parametrize(("hidden", "rules"), [(-88.0, [("finite-mask", "softmax")]), (-100.0, []), (-1e4, [])])
def test_masks_that_leak_are_named(hidden: float, rules: list[tuple[str, str]]) -> None:
    tiles = ("q", ("batch", 2, 16, 16))
    assert found(model(attention(), tiles, KEY, VALUE, MASK, hidden=np.float32(hidden))) == rules


@pytest.mark.parametrize(("factor", "rules"), [(-50.0, [("finite-mask", "softmax")]), (-1e4, [])])
def test_added_masks_are_judged_too(factor: float, rules: list[tuple[str, str]]) -> None:
    nodes = [
        node("Cast", ["mask"], ["seen"], to=TensorProto.FLOAT),
        node("Sub", ["one", "seen"], ["hide"]),
        node("Mul", ["hide", "factor"], ["bias"]),
        node("Add", ["s", "bias"], ["m"]),
        node("Softmax", ["m"], ["y"], axis=-1, name="softmax"),
    ]
    scores = ("s", ("batch", 2, 16, "time"))
    assert found(model(nodes, scores, MASK, one=np.float32(1), factor=np.float32(factor))) == rules


def test_a_softmax_over_time_without_a_mask_is_named() -> None:
    softmax = [node("Relu", ["s"], ["r"]), node("Softmax", ["r"], ["y"], axis=-1, name="softmax")]
    assert found(model(softmax, ("s", ("batch", "time")))) == [("softmax-without-mask", "softmax")]
    assert found(model(softmax, ("s", ("batch", "time", 8)))) == []


def test_a_product_with_a_mask_lets_nan_through() -> None:
    nodes = [node("Cast", ["mask"], ["seen"], to=TensorProto.FLOAT), node("Mul", ["x", "seen"], ["y"], name="masked")]
    mask = ("mask", ("batch", "time", 1), TensorProto.BOOL)
    assert found(model(nodes, X, mask)) == [("mask-by-product", "masked")]
    where = [node("Where", ["mask", "x", "zero"], ["y"])]
    assert found(model(where, X, mask, zero=np.float32(0))) == []


@pytest.mark.parametrize("op", ["Conv", "ConvTranspose"])
@pytest.mark.parametrize(("frames", "rules"), [("time", [("convolution-over-time", "conv")]), (16, [])])
def test_convolutions_over_time_are_named(op: str, frames: str | int, rules: list[tuple[str, str]]) -> None:
    nodes = [node(op, ["c", "w"], ["h"], name="conv", kernel_shape=[3]), node("Relu", ["h"], ["y"])]
    inputs: list[Any] = [("c", ("batch", 16, frames)), X]
    assert found(model([*nodes, node("Relu", ["x"], ["z"])], *inputs, w=ramp(16, 16, 3))) == rules


def recurrence(op: str, gates: int, lengths: str = "", direction: str = "forward", **inputs: Any) -> onnx.ModelProto:
    directions = 2 if direction == "bidirectional" else 1
    layer = node(op, ["x", "w", "r", "", lengths], ["y", "h"], name="layer", hidden_size=4, direction=direction)
    constants: dict[str, Any] = {"w": ramp(directions, gates * 4, 8), "r": ramp(directions, gates * 4, 4)}
    given = [("x", ("time", "batch", 8)), *inputs.values()]
    return model([layer], *given, outputs=(("y", None), ("h", None)), **constants)


LENGTH = ("length", ("batch",), TensorProto.INT32)


@pytest.mark.parametrize(("op", "gates"), [("LSTM", 4), ("GRU", 3)])
def test_recurrences_need_lengths(op: str, gates: int) -> None:
    assert found(recurrence(op, gates)) == [("recurrence-without-lengths", "layer")]
    assert found(recurrence(op, gates, "length", length=LENGTH)) == []


def test_a_model_that_is_told_lengths_has_to_pass_them_on() -> None:
    layer = node("LSTM", ["x", "w", "r"], ["y"], name="layer", hidden_size=4)
    inputs: list[Any] = [("x", ("time", "batch", 8))]
    constants: dict[str, Any] = {"w": ramp(1, 16, 8), "r": ramp(1, 16, 4)}
    assert found(model([layer], *inputs, **constants)) == []
    rules = found(model([layer, node("Identity", ["length"], ["l"])], *inputs, LENGTH, **constants))
    assert rules == [("recurrence-without-lengths", "layer")]


def test_a_pass_from_behind_endangers_chunks() -> None:
    finding = only(recurrence("LSTM", 4, "length", "bidirectional", length=LENGTH))
    assert (finding.rule, finding.node, finding.endangers) == ("recurrence-from-behind", "layer", ("chunking",))


def test_the_rnn_operator_is_named() -> None:
    assert found(recurrence("RNN", 1, "length", length=LENGTH)) == [("rnn-operator", "layer")]


def test_a_recurrence_with_weights_from_outside_is_named() -> None:
    layer = node("GRU", ["x", "w", "r"], ["y"], name="layer", hidden_size=4)
    graph = model([layer], ("x", ("time", "batch", 8)), ("w", (1, 12, 8)), w=ramp(1, 12, 8), r=ramp(1, 12, 4))
    assert found(graph) == [("weight-replaceable", "layer")]


def test_dynamic_quantisation_is_named() -> None:
    nodes = [
        node("DynamicQuantizeLinear", ["x"], ["q", "s", "z"], name="quantise"),
        node("MatMulInteger", ["q", "w", "z"], ["i"], name="product"),
        node("Cast", ["i"], ["f"], to=TensorProto.FLOAT),
        node("Mul", ["f", "s"], ["y"], name="scale"),
    ]
    rules = found(model(nodes, w=ramp(8, 5).astype(np.int8)))
    assert {rule for rule, _ in rules} == {"dynamic-quantisation"}
    assert {name for _, name in rules} <= {"quantise", "product", "scale"}


def test_an_integer_product_of_static_scales_is_clean() -> None:
    nodes = [
        node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        node("MatMulInteger", ["q", "w", "z"], ["i"]),
        node("Cast", ["i"], ["f"], to=TensorProto.FLOAT),
        node("Mul", ["f", "s"], ["y"]),
    ]
    constants: dict[str, Any] = {"w": ramp(8, 5).astype(np.int8), "s": np.float32(0.1), "z": np.uint8(3)}
    assert found(model(nodes, **constants)) == []


@pytest.mark.parametrize(
    ("bits", "level", "rules"),
    [(8, 4, []), (8, 0, [("weight-only-rounding", "product")]), (4, 4, [("weight-only-rounding", "product")])],
)
def test_weight_only_forms(bits: int, level: int, rules: list[tuple[str, str]]) -> None:
    attributes: dict[str, Any] = {"K": 32, "N": 5, "bits": bits, "block_size": 32, "accuracy_level": level}
    nodes = [node("MatMulNBits", ["x", "w", "s"], ["y"], name="product", **attributes, **MS)]
    packed = np.zeros((5, 1, 32 * bits // 8), np.uint8)
    assert found(model(nodes, ("x", ("batch", "time", 32)), w=packed, s=np.ones((5, 1), np.float32))) == rules


def test_what_stands_in_a_subgraph_is_named_with_its_path() -> None:
    body = onnx.helper.make_graph(
        [
            node("Softplus", ["h"], ["a"], name="soft"),
            node("MatMul", ["f", "w"], ["g"], name="project"),
            node("Add", ["a", "g"], ["n"]),
            node("Identity", ["n"], ["o"]),
        ],
        "body",
        [value("h", None), value("f", None)],
        [value("n", None), value("o", None)],
        weights(w=ramp(8, 8)),
    )
    scan = node("Scan", ["state", "frames"], ["last", "y"], name="loop", num_scan_inputs=1, body=body)
    finding = only(model([scan], ("state", ("batch", 8)), ("frames", ("time", "batch", 8))))
    assert (finding.rule, finding.node, finding.graph) == ("position-dependent-activation", "soft", "loop/body")
