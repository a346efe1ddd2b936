"""The one-step form of a recurrence: what stands in a Scan, once, in its place; for chunks of one frame only.

`one_step` is exported as a file of its own beside the model; it has the Scan's bits, and what it saves is printed by
`python -m export.one_step_cost`. Both in one file (`branched`) is a measurement only: it saves next to nothing, and
loses the promise: in a Scan inside an If, ONNX Runtime leaves weights un-prepacked, so that one row takes another path
than many.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

_LENGTH = "one_step"


def has_scan(model: onnx.ModelProto) -> bool:
    """Return whether there is anything that `one_step` would spare."""
    return any(node.op_type == "Scan" for node in model.graph.node)


def one_step(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a copy in which every Scan of the main graph runs once, for chunks of one frame."""
    copy = _copied(model)
    nodes: list[onnx.NodeProto] = []
    for node in copy.graph.node:
        nodes.extend(_once(node, node.output) if node.op_type == "Scan" else [node])
    _set(copy.graph, nodes)
    copy.graph.initializer.append(numpy_helper.from_array(np.array([0]), f"{_LENGTH}.axis"))
    return copy


def branched(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a copy in which every Scan of the main graph is left out for chunks of one frame."""
    copy = _copied(model)
    frames = copy.graph.input[0].name
    nodes = [
        helper.make_node("Shape", [frames], [f"{_LENGTH}.time"], name=f"{_LENGTH}.shape", start=1, end=2),
        helper.make_node("Squeeze", [f"{_LENGTH}.time"], [f"{_LENGTH}.frames"], name=f"{_LENGTH}.squeeze"),
        helper.make_node("Equal", [f"{_LENGTH}.frames", f"{_LENGTH}.one"], [_LENGTH], name=f"{_LENGTH}.equal"),
    ]
    nodes.extend(_choice(node) if node.op_type == "Scan" else node for node in copy.graph.node)
    _set(copy.graph, nodes)
    copy.graph.initializer.append(numpy_helper.from_array(np.array([0]), f"{_LENGTH}.axis"))
    copy.graph.initializer.append(numpy_helper.from_array(np.array(1), f"{_LENGTH}.one"))
    return copy


def _choice(scan: onnx.NodeProto) -> onnx.NodeProto:
    choice = helper.make_node("If", [_LENGTH], list(scan.output), name=f"{scan.name}.choice")
    for branch in ("then", "else"):
        outputs = [f"{name}.{branch}" for name in scan.output]
        nodes = _once(scan, outputs) if branch == "then" else [_copy_with_outputs(scan, outputs)]
        values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs]
        body = helper.make_graph(nodes, f"{scan.name}.{branch}", [], values)
        choice.attribute.append(helper.make_attribute(f"{branch}_branch", body))
    return choice


def _once(scan: onnx.NodeProto, outputs: Iterable[str]) -> list[onnx.NodeProto]:
    """Return a Scan's body with its frame squeezed out of what is scanned; all scans run along axis 0."""
    attributes = {attribute.name: attribute for attribute in scan.attribute}
    body, scanned = attributes["body"].g, attributes["num_scan_inputs"].i
    carried = len(scan.input) - scanned
    prefix, axis = f"{scan.name}.once", f"{_LENGTH}.axis"
    nodes, names = [], {}
    for place, (value, given) in enumerate(zip(body.input, scan.input, strict=True)):
        names[value.name] = given
        if place >= carried:
            names[value.name] = f"{prefix}.{value.name}"
            nodes.append(
                helper.make_node("Squeeze", [given, axis], [names[value.name]], name=f"{names[value.name]}.in")
            )
    inner = {name for node in body.node for name in node.output} | {t.name for t in body.initializer}
    names.update({name: f"{prefix}.{name}" for name in inner})
    nodes.extend(helper.make_node("Constant", [], [names[t.name]], value=t) for t in body.initializer)
    nodes.extend(_renamed(node, names, prefix) for node in body.node)
    for place, (value, wanted) in enumerate(zip(body.output, outputs, strict=True)):
        found = names[value.name]
        if place < carried:
            nodes.append(helper.make_node("Identity", [found], [wanted], name=f"{prefix}.{value.name}.out"))
        else:
            nodes.append(helper.make_node("Unsqueeze", [found, axis], [wanted], name=f"{prefix}.{value.name}.out"))
    return nodes


def _renamed(node: onnx.NodeProto, names: dict[str, str], prefix: str) -> onnx.NodeProto:
    copy = onnx.NodeProto()
    copy.CopyFrom(node)
    copy.name = f"{prefix}.{node.name}"
    copy.input[:] = [names.get(name, name) for name in node.input]
    copy.output[:] = [names.get(name, name) for name in node.output]
    return copy


def _copy_with_outputs(node: onnx.NodeProto, outputs: list[str]) -> onnx.NodeProto:
    copy = onnx.NodeProto()
    copy.CopyFrom(node)
    copy.output[:] = outputs
    return copy


def _copied(model: onnx.ModelProto) -> onnx.ModelProto:
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    return copy


def _set(graph: onnx.GraphProto, nodes: list[onnx.NodeProto]) -> None:
    nodes = list(nodes)
    del graph.node[:]
    graph.node.extend(nodes)
