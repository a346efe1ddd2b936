"""Signatures, activations, fused and odd files, and exit statuses. That the zoo's graphs are clean: tests/contract."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from onnx import TensorProto

from export.lint import UnreadableModelError, lint_model
from soloist.cli.main import main
from tests.unit.export.lint_graphs import X, found, model, node, only, ramp

BANNED = ("Log", "Softplus", "Elu", "Selu", "Celu", "Mish", "Sin", "Cos", "Asin", "Acos", "Atan")


@pytest.mark.parametrize("op", BANNED)
def test_position_dependent_activations_are_named(op: str) -> None:
    graph = model([node(op, ["x"], ["y"], name="f")], opset=22)
    assert found(graph) == [("position-dependent-activation", "f")]


def test_cubes_are_named_and_squares_are_not() -> None:
    power = node("Pow", ["x", "n"], ["y"], name="power")
    assert found(model([power], n=np.float32(3))) == [("position-dependent-activation", "power")]
    assert found(model([power], n=np.float32(2))) == []


@pytest.mark.parametrize("op", ["Tanh", "Sigmoid", "Erf", "Gelu", "Exp", "Sqrt", "Relu"])
def test_safe_activations_are_clean(op: str) -> None:
    assert found(model([node(op, ["x"], ["y"])])) == []


def test_constants_may_be_computed_by_anything() -> None:
    nodes = [node("Sin", ["angles"], ["table"]), node("Add", ["x", "table"], ["y"])]
    assert found(model(nodes, angles=ramp(8))) == []


def test_a_fixed_batch_is_named() -> None:
    finding = only(model([node("Relu", ["x"], ["y"])], ("x", (3, "time", 8))))
    assert (finding.rule, finding.node, finding.op, finding.severity) == ("static-batch-axis", "x", "input", "trap")


def test_a_fixed_length_is_named() -> None:
    assert found(model([node("Relu", ["x"], ["y"])], ("x", ("batch", 7, 8)))) == [("static-time-axis", "x")]
    ids = TensorProto.INT64
    tokens = model([node("Identity", ["x"], ["y"])], ("x", ("batch", 7), ids), outputs=(("y", None, ids),))
    assert found(tokens) == [("static-time-axis", "x")]


def test_axes_without_a_name_are_free() -> None:
    assert found(model([node("Relu", ["x"], ["y"])], ("x", (None, None, 8)))) == []


def test_parameters_have_no_batch() -> None:
    nodes = [node("Cast", ["rate"], ["r"], to=TensorProto.FLOAT), node("Mul", ["x", "r"], ["y"])]
    assert found(model(nodes, X, ("rate", (), TensorProto.INT64))) == []


def test_sizes_baked_into_a_reshape_are_named() -> None:
    nodes = [node("Reshape", ["x", "shape"], ["y"], name="shape")]
    assert found(model(nodes, shape=[3, 7, 8])) == [("static-reshape", "shape")]


def test_dropout_in_training_mode_is_a_trap() -> None:
    nodes = [node("Dropout", ["x", "ratio", "training"], ["y"], name="drop")]
    assert found(model(nodes, ratio=np.float32(0.5), training=True)) == [("random", "drop")]


def test_fused_nodes_bear_names_of_the_file() -> None:
    names = ("project", "add", "gelu")
    nodes = [
        node("MatMul", ["x", "w"], ["p"], name=names[0]),
        node("Add", ["p", "b"], ["a"], name=names[1]),
        node("Gelu", ["a"], ["g"], name=names[2]),
        node("ReduceMean", ["g", "axes"], ["y"], name="mean"),
    ]
    assert found(model(nodes, w=ramp(8, 8), b=ramp(8), axes=[1])) == [("reduction-over-time", "mean")]


def test_an_operator_that_the_runtime_lacks_is_no_crash() -> None:
    graph = model([node("Wavelet", ["x"], ["h"], domain="elsewhere"), node("Softplus", ["h"], ["y"], name="soft")])
    rules = [rule for rule, _ in found(graph)]
    assert rules == ["not-optimised", "position-dependent-activation"]


def test_weights_beside_the_file_are_found_or_missed(tmp_path: Path) -> None:
    graph = model([node("MatMul", ["x", "w"], ["y"])], w=ramp(8, 600))
    onnx.save_model(graph, tmp_path / "model.onnx", save_as_external_data=True, location="w.bin", size_threshold=0)
    assert lint_model(tmp_path / "model.onnx") == []
    (tmp_path / "w.bin").unlink()
    with pytest.raises(UnreadableModelError, match=r"weights of w are missing"):
        lint_model(tmp_path / "model.onnx")


@pytest.mark.parametrize("content", [b"", b"no model", bytes(range(256)) * 8])
def test_what_is_no_model_is_unreadable(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(content)
    answer = CliRunner().invoke(main, ["lint", str(tmp_path / "model.onnx")])
    assert answer.exit_code == 2


def test_a_graph_that_reads_what_nothing_computes_is_unreadable() -> None:
    with pytest.raises(UnreadableModelError, match="nowhere"):
        lint_model(model([node("Relu", ["nowhere"], ["y"])]))


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        ({"location": "../w.bin"}, "outside its folder"),
        ({"location": "/etc/passwd"}, "outside its folder"),
        ({"location": "w.bin", "offset": "-4"}, "too short"),
        ({"location": "w.bin", "length": "many"}, "no number"),
        ({"location": "w\0.bin"}, "missing"),
    ],
)
def test_weights_are_where_they_may_be(tmp_path: Path, facts: dict[str, str], says: str) -> None:
    weights = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[2], data_location=TensorProto.EXTERNAL)
    for key, value in facts.items():
        weights.external_data.add(key=key, value=value)
    (tmp_path / "w.bin").write_bytes(bytes(8))
    broken = model([node("Add", ["x", "w"], ["y"])])
    broken.graph.initializer.append(weights)
    (tmp_path / "model.onnx").write_bytes(broken.SerializeToString())
    with pytest.raises(UnreadableModelError, match=says):
        lint_model(tmp_path / "model.onnx")


def test_a_pipe_is_no_model(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "model.onnx")
    with pytest.raises(UnreadableModelError, match="no regular file"):
        lint_model(tmp_path / "model.onnx")


def test_the_command_tells_by_its_exit_status(tmp_path: Path) -> None:
    clean, dirty = tmp_path / "clean.onnx", tmp_path / "dirty.onnx"
    onnx.save(model([node("Relu", ["x"], ["y"])]), clean)
    onnx.save(model([node("Softplus", ["x"], ["y"], name="soft")]), dirty)
    run = CliRunner().invoke
    answer = run(main, ["lint", str(clean)])
    assert (answer.exit_code, answer.output) == (0, f"{clean}: clean\n")
    answer = run(main, ["lint", str(dirty)])
    assert answer.exit_code == 1
    assert "soft (Softplus)" in answer.output
    assert "position-dependent-activation" in answer.output


def test_json_is_one_object(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    onnx.save(model([node("Softplus", ["x"], ["y"], name="soft")]), path)
    answer = CliRunner().invoke(main, ["lint", "--json", str(path)])
    reported = json.loads(answer.output)
    assert (answer.exit_code, reported["model"], reported["clean"]) == (1, str(path), False)
    (finding,) = reported["findings"]
    keys = {"rule", "severity", "endangers", "node", "op", "graph", "output", "why", "instead"}
    assert set(finding) == keys
    assert (finding["node"], finding["op"], finding["graph"]) == ("soft", "Softplus", "")
    assert finding["endangers"] == ["batch", "padding", "chunking"]
