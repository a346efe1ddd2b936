"""Shape inference at one concrete size of batch and time, through subgraphs and the runtime's own operators.

Concrete sizes carry much further than symbols: a Reshape to a computed shape is simply computed. What an axis depends
on shows when a size is changed (axes.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import onnx
from onnx import defs, helper, numpy_helper, shape_inference
from onnx.reference import ReferenceEvaluator

from export.lint import contrib
from export.lint.tensors import SMALL, Tensor, constant_of

Tensors = dict[tuple[str, str], Tensor]  # by path of the subgraph and name
_UNKNOWN = Tensor()


class Inference:
    """One pass over a model; `tensors` holds what was found."""

    def __init__(self, model: onnx.ModelProto, inputs: Mapping[str, Tensor], known: Tensors) -> None:
        self.tensors: Tensors = {}
        # What is known of this model before it was optimised, for operators without a schema.
        self._known = known
        self._opsets = {entry.domain or "": entry.version for entry in model.opset_import}
        self._imports = list(model.opset_import)
        self._graph(model.graph, "", dict(inputs))

    def _graph(self, graph: onnx.GraphProto, path: str, scope: dict[str, Tensor]) -> list[Tensor]:
        """Fill in a graph whose inputs, and all of the graphs around it, are in `scope`; return its outputs."""
        own = {tensor.name: Tensor.of_initializer(tensor) for tensor in graph.initializer if tensor.name not in scope}
        own |= {value.name: scope[value.name] for value in graph.input if value.name in scope}
        scope |= own
        self.tensors |= {(path, name): tensor for name, tensor in own.items()}
        for node in graph.node:
            for name, tensor in zip(node.output, self._outputs(node, path, scope), strict=False):
                if name:
                    if tensor.shape is None:
                        tensor = self._known.get((path, name), tensor)
                    self.tensors[path, name] = scope[name] = tensor
        return [scope.get(value.name, _UNKNOWN) for value in graph.output]

    def _outputs(self, node: onnx.NodeProto, path: str, scope: dict[str, Tensor]) -> list[Tensor]:
        inputs = [scope.get(name, _UNKNOWN) if name else _UNKNOWN for name in node.input]
        if node.op_type in ("If", "Loop", "Scan") and not node.domain:
            return getattr(self, f"_{node.op_type.lower()}")(node, inputs, path, scope)  # type: ignore[no-any-return]
        if node.op_type == "Constant" and (value := constant_of(node)) is not None:
            return [Tensor.of_value(value)]
        if (found := contrib.outputs(node, inputs)) is not None:
            return found
        found = self._inferred(node, inputs)
        return self._computed(node, inputs, found) or found

    def _inferred(self, node: onnx.NodeProto, inputs: list[Tensor]) -> list[Tensor]:
        """Ask ONNX for the outputs' types; what it cannot tell is unknown."""
        domain = "" if node.domain == "ai.onnx" else node.domain
        named = dict(zip(node.input, inputs, strict=True))
        types = {name: tensor.type() for name, tensor in named.items() if name and tensor.element}
        values = {name: numpy_helper.from_array(t.value, name) for name, t in named.items() if t.value is not None}
        try:
            schema = defs.get_schema(node.op_type, self._opsets.get(domain, 1), domain)
            found = shape_inference.infer_node_outputs(schema, node, types, values, opset_imports=self._imports)
        except Exception:
            return [_UNKNOWN] * len(node.output)
        return [Tensor.of_type(found[name]) if name in found else _UNKNOWN for name in node.output]

    def _computed(self, node: onnx.NodeProto, inputs: list[Tensor], found: list[Tensor]) -> list[Tensor] | None:
        """Compute a small output from small inputs: shapes, mostly."""
        if node.op_type in ("Shape", "Size"):
            if inputs[0].shape is None or None in inputs[0].shape:
                return None
            inputs = [Tensor(shape=inputs[0].shape)]
        elif any(tensor.value is None for name, tensor in zip(node.input, inputs, strict=True) if name):
            return None
        if not node.input or node.domain not in ("", "ai.onnx") or not all(_small(tensor) for tensor in found):
            return None
        return contrib.shape_of(node, inputs[0]) if node.op_type in ("Shape", "Size") else self._evaluated(node, inputs)

    def _evaluated(self, node: onnx.NodeProto, inputs: list[Tensor]) -> list[Tensor] | None:
        feeds = {name: t.value for name, t in zip(node.input, inputs, strict=True) if name}
        try:
            values: Any = ReferenceEvaluator(node, opsets={"": self._opsets.get("", 1)}).run(None, feeds)
            return [Tensor.of_value(value) for value in values]
        except Exception:
            return None

    def _if(self, node: onnx.NodeProto, _inputs: list[Tensor], path: str, scope: dict[str, Tensor]) -> list[Tensor]:
        branches = [
            self._graph(attribute.g, subgraph_path(path, node, attribute), dict(scope))
            for attribute in node.attribute
            if attribute.type == onnx.AttributeProto.GRAPH
        ]
        return [a.merged(b) for a, b in zip(*branches, strict=False)] if len(branches) == 2 else []

    def _loop(self, node: onnx.NodeProto, inputs: list[Tensor], path: str, scope: dict[str, Tensor]) -> list[Tensor]:
        counters = [Tensor(element=onnx.TensorProto.INT64, shape=()), Tensor(element=onnx.TensorProto.BOOL, shape=())]
        carried = [tensor.without_value() for tensor in inputs[2:]]
        outputs = self._body(node, [*counters, *carried], path, scope)
        following = [before.merged(after) for before, after in zip(carried, outputs[1:], strict=False)]
        if following != carried:  # what grows from turn to turn has no size
            outputs = self._body(node, [*counters, *following], path, scope)
        scanned = [_stacked(tensor, None, 0) for tensor in outputs[1 + len(carried) :]]
        return [*following, *scanned]

    def _scan(self, node: onnx.NodeProto, inputs: list[Tensor], path: str, scope: dict[str, Tensor]) -> list[Tensor]:
        attributes = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
        count = attributes.get("num_scan_inputs", 0)
        states = [tensor.without_value() for tensor in inputs[: len(inputs) - count]]
        scanned = inputs[len(inputs) - count :]
        axes = attributes.get("scan_input_axes") or [0] * count
        turns = [t.shape[axis] if t.shape else None for t, axis in zip(scanned, axes, strict=True)]
        steps = [_step(tensor, axis) for tensor, axis in zip(scanned, axes, strict=True)]
        outputs = self._body(node, [*states, *steps], path, scope)
        rows = outputs[len(states) :]
        out_axes = attributes.get("scan_output_axes") or [0] * len(rows)
        stacked = [_stacked(t, turns[0] if turns else None, axis) for t, axis in zip(rows, out_axes, strict=True)]
        return [*(a.merged(b) for a, b in zip(states, outputs, strict=False)), *stacked]

    def _body(self, node: onnx.NodeProto, inputs: list[Tensor], path: str, scope: dict[str, Tensor]) -> list[Tensor]:
        attribute = next(a for a in node.attribute if a.name == "body")
        names = [value.name for value in attribute.g.input]
        inside = scope | dict(zip(names, inputs, strict=False))
        return self._graph(attribute.g, subgraph_path(path, node, attribute), inside)


def subgraph_path(path: str, node: onnx.NodeProto, attribute: onnx.AttributeProto) -> str:
    """Return "<node>/<attribute>" below the path of the graph that the node stands in."""
    return f"{path}/{node.name or node.output[0]}/{attribute.name}".removeprefix("/")


def _small(tensor: Tensor) -> bool:
    if tensor.shape is None:
        return False
    size = 1
    for axis in tensor.shape:
        if axis is None:
            return False
        size *= axis
    return size <= SMALL


def _step(tensor: Tensor, axis: int) -> Tensor:
    if not tensor.shape:
        return Tensor(element=tensor.element)
    axis %= len(tensor.shape)
    return Tensor(element=tensor.element, shape=tensor.shape[:axis] + tensor.shape[axis + 1 :])


def _stacked(tensor: Tensor, turns: int | None, axis: int) -> Tensor:
    if tensor.shape is None:
        return Tensor(element=tensor.element)
    axis %= len(tensor.shape) + 1
    return Tensor(element=tensor.element, shape=(*tensor.shape[:axis], turns, *tensor.shape[axis:]))
