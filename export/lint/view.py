"""How a rule sees a node: what its tensors are made of, who reads them, and what their axes mean."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

import numpy as np
import onnx
from onnx import helper

from export.lint.axes import Analysis, Axis
from export.lint.finding import Danger, Finding
from export.lint.tensors import SMALL, Array, Tensor, constant_of

_FLOATS = frozenset((0, onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE, onnx.TensorProto.FLOAT16))
_FLOATS |= {onnx.TensorProto.BFLOAT16}


class Source(IntEnum):
    """What a tensor's numbers come from; that of a result is the largest of its inputs'."""

    CONSTANT = 0  # a weight, as it stands in the file
    COMPUTED = 1  # by a node, from weights only
    SHAPE = 2  # sizes, not numbers
    REPLACEABLE = 3  # a weight that is also a graph input, so a caller may replace it
    DATA = 4


@dataclass(kw_only=True)
class Scope:
    """One graph or subgraph; what isn't found in it is looked for in the graph around it."""

    path: str
    parent: Scope | None
    analysis: Analysis
    opset: int
    sources: dict[str, Source] = field(default_factory=dict)
    weights: dict[str, onnx.TensorProto] = field(default_factory=dict)
    producers: dict[str, NodeView] = field(default_factory=dict)
    readers: dict[str, list[NodeView]] = field(default_factory=dict)
    outputs: frozenset[str] = frozenset()

    def around(self) -> Iterator[Scope]:
        """Yield this graph and those around it, inside first."""
        scope: Scope | None = self
        while scope:
            yield scope
            scope = scope.parent

    def owner(self, name: str) -> Scope:
        """Return the graph in which a tensor is made; this one when it is made nowhere."""
        return next((scope for scope in self.around() if name in scope.sources), self)


@dataclass(frozen=True, kw_only=True, eq=False)
class NodeView:
    """A node and its surroundings."""

    proto: onnx.NodeProto
    scope: Scope

    @property
    def op(self) -> str:
        """The operator's type, without its domain."""
        return self.proto.op_type

    def input(self, place: int) -> str:
        """Return the name of an input, "" when it is left out."""
        return self.proto.input[place] if place < len(self.proto.input) else ""

    def output(self, place: int) -> str:
        """Return the name of an output, "" when it is left out."""
        return self.proto.output[place] if place < len(self.proto.output) else ""

    def attribute(self, name: str, default: Any) -> Any:
        """Return an attribute; bytes as text."""
        for attribute in self.proto.attribute:
            if attribute.name == name:
                value = helper.get_attribute_value(attribute)
                return value.decode() if isinstance(value, bytes) else value
        return default

    def source(self, name: str) -> Source:
        """Return what a tensor's numbers come from."""
        return self.scope.owner(name).sources.get(name, Source.DATA)

    def axes(self, name: str) -> tuple[Axis, ...] | None:
        """Return a tensor's axes, None when its rank is unknown."""
        return self.scope.analysis.axes.get((self.scope.owner(name).path, name))

    def is_float(self, name: str) -> bool:
        """Whether a tensor holds floating-point numbers, or may."""
        return self.scope.analysis.elements.get((self.scope.owner(name).path, name), 0) in _FLOATS

    def is_bool(self, name: str) -> bool:
        """Whether a tensor is a mask."""
        kind = self.scope.analysis.elements.get((self.scope.owner(name).path, name), 0)
        return kind == onnx.TensorProto.BOOL

    def rank(self, name: str) -> int | None:
        """Return the number of axes, None when it is unknown."""
        scope = self.scope.owner(name)
        if name in scope.weights:
            return len(scope.weights[name].dims)
        axes = self.axes(name)
        return None if axes is None else len(axes)

    def value(self, name: str) -> Array | None:
        """Return a small constant, None for anything else."""
        scope = self.scope.owner(name)
        if name in scope.weights:
            return Tensor.of_initializer(scope.weights[name]).value
        made = scope.producers.get(name)
        value = constant_of(made.proto) if made and made.op == "Constant" else None
        return value if value is not None and value.size <= SMALL else None

    def number(self, name: str) -> float | None:
        """Return the one number that a constant holds throughout, None for anything else."""
        value = self.value(name)
        if value is None or value.dtype.kind not in "fiu" or value.size == 0 or np.any(value != value.flat[0]):
            return None
        return float(value.flat[0])

    def producer(self, name: str) -> NodeView | None:
        """Return the node that makes a tensor."""
        return self.scope.owner(name).producers.get(name)

    def is_read(self, name: str) -> bool:
        """Whether an output of this node goes anywhere."""
        return bool(name) and (name in self.scope.outputs or name in self.scope.readers)

    def consumers(self) -> Iterator[NodeView]:
        """Yield the nodes that read an output of this one, those of subgraphs included."""
        for name in self.proto.output:
            yield from self.scope.readers.get(name, ())

    def finding(self, rule: str, severity: Any, endangers: tuple[Danger, ...], why: str, instead: str) -> Finding:
        """Return a finding about this node."""
        output = next(iter(self.proto.output), "")
        return Finding(
            rule=rule,
            severity=severity,
            endangers=endangers,
            node=self.proto.name or output,
            op=f"{self.proto.domain}.{self.op}".removeprefix(".").removeprefix("ai.onnx."),
            graph=self.scope.path,
            output=output,
            why=why,
            instead=instead,
        )
