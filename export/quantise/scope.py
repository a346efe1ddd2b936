"""Finding one's way in nested graphs: every graph with its path, constants, and names not taken yet."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

Array = npt.NDArray[Any]


@dataclass(frozen=True, kw_only=True, eq=False)
class Scope:
    """A graph inside a model. `owners` are the nodes around it, outermost first; none for the model's own graph."""

    graph: onnx.GraphProto
    owners: tuple[onnx.NodeProto, ...] = ()

    @property
    def path(self) -> str:
        """The owners' outputs: tells two bodies apart that use the same names inside."""
        return "/".join(owner.output[0] for owner in self.owners)


def scopes(graph: onnx.GraphProto, owners: tuple[onnx.NodeProto, ...] = ()) -> Iterator[Scope]:
    """Yield a graph and every graph inside its nodes."""
    yield Scope(graph=graph, owners=owners)
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                yield from scopes(attribute.g, (*owners, node))


class Constants:
    """The initializers of a model's own graph: read by name, added under names that nothing bears yet."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self._graph = model.graph
        self._tensors = {tensor.name: tensor for tensor in model.graph.initializer}

    def get(self, name: str) -> Array | None:
        """Return a constant's value; None for what isn't constant."""
        tensor = self._tensors.get(name)
        return None if tensor is None else numpy_helper.to_array(tensor)

    def add(self, name: str, value: Array) -> str:
        """Add a constant, or find the one of that name, and return its name."""
        if name not in self._tensors:
            tensor = numpy_helper.from_array(np.ascontiguousarray(value).reshape(value.shape), name)
            self._graph.initializer.append(tensor)
            self._tensors[name] = tensor
        return name


def replace(graph: onnx.GraphProto, replaced: dict[int, list[onnx.NodeProto]]) -> None:
    """Put nodes in the places of others, which are given by index."""
    nodes = [new for index, node in enumerate(graph.node) for new in replaced.get(index, [node])]
    copies = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del graph.node[:]
    graph.node.extend(copies)


def drop_unread(model: onnx.ModelProto) -> None:
    """Drop initializers that no node reads any longer."""
    read: set[str] = set()
    for scope in scopes(model.graph):
        read.update(name for node in scope.graph.node for name in node.input)
        read.update(value.name for value in scope.graph.output)
    kept = [tensor for tensor in model.graph.initializer if tensor.name in read]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)


def use_domain(model: onnx.ModelProto, domain: str, version: int = 1) -> None:
    """Declare a further domain of operators."""
    if all(opset.domain != domain for opset in model.opset_import):
        model.opset_import.add(domain=domain, version=version)
