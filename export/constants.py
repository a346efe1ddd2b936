"""Constant folding: whatever only moves the elements of weights is done at export, so weights are initializers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator

Array = npt.NDArray[Any]
# No arithmetic: an evaluator's rounding would not be the runtime's.
_MOVES = frozenset({"Concat", "Expand", "Gather", "Identity", "Reshape", "Slice", "Split", "Squeeze", "Transpose"})
_MOVES |= {"Unsqueeze", "Cast"}  # what is cast is bool or an integer: exact


def fold_constants(graph: onnx.GraphProto) -> None:
    """Evaluate nodes that move constants only, and drop initializers that nothing reads."""
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    results = {value.name for value in graph.output}
    kept = []
    for node in graph.node:
        if node.op_type in _MOVES and results.isdisjoint(node.output) and all(n in constants for n in node.input if n):
            constants.update(_evaluate(node, constants))
        else:
            kept.append(node)
    read = names_read(kept) | results
    del graph.node[:], graph.initializer[:]
    graph.node.extend(kept)
    graph.initializer.extend(
        numpy_helper.from_array(np.ascontiguousarray(value).reshape(value.shape), name)
        for name, value in constants.items()
        if name in read
    )


def _evaluate(node: onnx.NodeProto, constants: dict[str, Array]) -> dict[str, Array]:
    feeds = {name: constants[name] for name in node.input if name}
    values = ReferenceEvaluator(node).run(None, feeds)
    return dict(zip(node.output, (np.asarray(value) for value in values), strict=True))


def names_read(nodes: Iterable[onnx.NodeProto]) -> set[str]:
    """Return the names of every tensor that nodes read, in their subgraphs too."""
    names: set[str] = set()
    for node in nodes:
        names.update(node.input)
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                names |= names_read(attribute.g.node) | {value.name for value in attribute.g.output}
    return names
