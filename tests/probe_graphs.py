"""Owns a hand-written artifact with a probe: running sums, whose one normaliser sees the sums.

Shapes: B rows, T frames, C features.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from soloist.v1 import model_pb2
from tests.graphs import Sums

LAYER, WINDOW = "norm", 4
EPS = 1e-5


def write(repository: Path, *, name: str = "sums", version: int = 1, norm: str = "batch") -> Path:
    """Write a version with a probe; of a "batch" the reference is mean 1 and variance 1, with thresholds of 0.5."""
    sums = Sums(name=name, features=1)
    manifest = sums.manifest
    manifest.version, manifest.norm = version, norm
    graph = _probe_graph()
    content = graph.SerializeToString()
    manifest.probe.CopyFrom(_described(norm, hashlib.sha256(content).hexdigest()))
    path = sums.write(repository, version=version, manifest=manifest)
    path.with_name("probe.onnx").write_bytes(content)
    return path


def _described(norm: str, sha256: str) -> model_pb2.Probe:
    layer = model_pb2.ProbedLayer(
        name=LAYER, kind=norm, sum_output="norm.sum", sum_of_squares_output="norm.squares", eps=EPS
    )
    if norm == "batch":
        layer.reference.CopyFrom(model_pb2.Moments(mean=[1.0], variance=[1.0]))
        layer.thresholds.add(window_sequences=WINDOW, mean_tid=0.5, variance_tid=0.5, divergence_nats=0.5)
    return model_pb2.Probe(sha256=sha256, layers=[layer])


def _probe_graph() -> onnx.ModelProto:
    node, value, float32, float64 = (
        helper.make_node,
        helper.make_tensor_value_info,
        TensorProto.FLOAT,
        TensorProto.DOUBLE,
    )
    nodes = [
        node("Unsqueeze", ["state.sum", "one"], ["before"]),
        node("CumSum", ["frames", "one_scalar"], ["sums"]),
        node("Add", ["sums", "before"], ["total"]),
        node("Cast", ["total"], ["wide"], to=float64),
        node("Shape", ["frames"], ["T"], start=1, end=2),
        node("Squeeze", ["T"], ["frame_count"]),
        node("Range", ["zero", "frame_count", "one_scalar"], ["index_T"]),
        node("Unsqueeze", ["length", "one"], ["length_B1"]),
        node("Less", ["index_T", "length_B1"], ["valid_BT"]),
        node("Unsqueeze", ["valid_BT", "two"], ["valid_BT1"]),
        node("Where", ["valid_BT1", "wide", "nothing"], ["valid"]),
        node("ReduceSum", ["valid", "one"], ["norm.sum"], keepdims=0),
        node("Mul", ["valid", "valid"], ["squared"]),
        node("ReduceSum", ["squared", "one"], ["norm.squares"], keepdims=0),
    ]
    constants: dict[str, npt.NDArray[Any]] = {
        "one": np.array([1], np.int64),
        "one_scalar": np.array(1, np.int64),
        "zero": np.array(0, np.int64),
        "two": np.array([2], np.int64),
        "nothing": np.array(0, np.float64),
    }
    graph = helper.make_graph(
        nodes,
        "probe",
        [
            value("frames", float32, ["batch", "time", 1]),
            value("length", TensorProto.INT64, ["batch"]),
            value("state.sum", float32, ["batch", 1]),
        ],
        [value("norm.sum", float64, ["batch", 1]), value("norm.squares", float64, ["batch", 1])],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10, producer_name="tests")
