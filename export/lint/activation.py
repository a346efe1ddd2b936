"""Owns the rule on element-wise functions whose vector part and tail round differently."""

from __future__ import annotations

from collections.abc import Iterator

from export.lint.finding import ALL, Finding
from export.lint.view import NodeView, Source

_BANNED = frozenset(("Log", "Softplus", "Elu", "Selu", "Celu", "Mish", "Sin", "Cos", "Asin", "Acos", "Atan"))
_INSTEAD = "Tanh, Sigmoid, Relu, Gelu, Swish or Erf; for functions of a position, a constant table and Gather"


def check(node: NodeView) -> Iterator[Finding]:
    """Judge one node."""
    name = node.op
    if name == "Pow" and node.number(node.input(1)) == 3:
        name = "x³"
    elif name not in _BANNED:
        return
    axes = node.axes(node.input(0))
    single = axes is not None and all(axis.size == 1 for axis in axes)
    if single or node.source(node.input(0)) < Source.REPLACEABLE or not node.is_float(node.input(0)):
        return
    why = f"{name}'s vector part and its tail round differently, so bits depend on an element's position in memory"
    yield node.finding("position-dependent-activation", "danger", ALL, why, _INSTEAD)
