"""Small graphs for lint's tests: x [batch, time, 8] comes in as `x`, `y` goes out."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from export.lint import Finding, lint_model

X = ("x", ("batch", "time", 8))
node = helper.make_node


def weights(**arrays: Any) -> list[onnx.TensorProto]:
    return [numpy_helper.from_array(np.asarray(array), name) for name, array in arrays.items()]


def ramp(*shape: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    return (np.arange(np.prod(shape)).reshape(shape) / np.prod(shape)).astype(np.float32)


def value(name: str, shape: Any, element: int = TensorProto.FLOAT) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, element, shape)


def model(
    nodes: list[onnx.NodeProto],
    *inputs: Any,
    outputs: tuple[Any, ...] = (("y", None),),
    opset: int = 21,
    **constants: Any,
) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "graph",
        [value(*entry) for entry in (inputs or (X,))],
        [value(*entry) for entry in outputs],
        weights(**constants),
    )
    domains = sorted({entry.domain for entry in nodes} - {""})
    imports = [helper.make_opsetid("", opset), *(helper.make_opsetid(domain, 1) for domain in domains)]
    return helper.make_model(graph, opset_imports=imports, ir_version=10)


def found(graph: onnx.ModelProto) -> list[tuple[str, str]]:
    return [(finding.rule, finding.node) for finding in lint_model(graph)]


def only(graph: onnx.ModelProto) -> Finding:
    (finding,) = lint_model(graph)
    return finding
