"""The walk over a model: every node, subgraphs included, with the sources of its tensors worked out on the way."""

from __future__ import annotations

from collections.abc import Iterator

import onnx

from export.lint.axes import Analysis
from export.lint.inference import subgraph_path
from export.lint.view import NodeView, Scope, Source


def nodes(model: onnx.ModelProto, analysis: Analysis) -> list[NodeView]:
    """Return every node of a model, those of subgraphs right after the node that holds them."""
    opset = next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 1)
    return list(_graph(model.graph, "", None, analysis, opset, model.ir_version))


def _graph(
    graph: onnx.GraphProto, path: str, parent: Scope | None, analysis: Analysis, opset: int, ir_version: int
) -> Iterator[NodeView]:
    scope = Scope(path=path, parent=parent, analysis=analysis, opset=opset)
    scope.outputs = frozenset(value.name for value in graph.output)
    scope.sources = {value.name: Source.DATA for value in graph.input}
    for tensor in graph.initializer:
        # Before version 4 every weight was listed as an input, and the runtime takes it as constant.
        replaceable = tensor.name in scope.sources and ir_version >= 4
        scope.weights[tensor.name] = tensor
        scope.sources[tensor.name] = Source.REPLACEABLE if replaceable else Source.CONSTANT
    for sparse in graph.sparse_initializer:
        scope.sources[sparse.values.name] = Source.COMPUTED
    for proto in graph.node:
        node = NodeView(proto=proto, scope=scope)
        source = _source(node)
        for name in filter(None, proto.output):
            scope.sources[name], scope.producers[name] = source, node
        for name in filter(None, proto.input):
            scope.owner(name).readers.setdefault(name, []).append(node)
        yield node
        for attribute in proto.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                inner = subgraph_path(path, proto, attribute)
                yield from _graph(attribute.g, inner, scope, analysis, opset, ir_version)


def _source(node: NodeView) -> Source:
    if node.op == "Constant":
        return Source.CONSTANT
    if any(attribute.type == onnx.AttributeProto.GRAPH for attribute in node.proto.attribute):
        return Source.DATA
    found = max((node.source(name) for name in node.proto.input if name), default=Source.COMPUTED)
    found = max(found, Source.COMPUTED)
    return min(found, Source.SHAPE) if node.op in ("Shape", "Size") else found
