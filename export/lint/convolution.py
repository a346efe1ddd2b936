"""Owns the rule on convolutions over time. It judges the graph as stored: fused forms run the same kernels."""

from __future__ import annotations

from collections.abc import Iterator

from export.lint.axes import Role
from export.lint.finding import CHUNKING, PADDING, Finding
from export.lint.view import NodeView, Source

_CONVOLUTIONS = frozenset(("Conv", "ConvTranspose", "FusedConv", "NhwcFusedConv", "CausalConvWithState", "DeformConv"))
_INSTEAD = "im2col: history as state and input (Concat), one Slice a tap, one MatMul with a constant 2-D weight"


def check(node: NodeView) -> Iterator[Finding]:
    """Judge one node; over axes of fixed size a convolution keeps its bits."""
    if node.op not in _CONVOLUTIONS or node.source(node.input(0)) < Source.REPLACEABLE:
        return
    axes = node.axes(node.input(0))
    role = Role.UNKNOWN if axes is None else Role.FIXED
    for axis in (axes or ())[2:]:
        role |= axis.role
    if Role.UNKNOWN in role:
        why = "over which axes it runs cannot be told; over time its bits depend on the length of the chunk"
        yield node.finding("convolution-over-unknown-axis", "unknown", (*PADDING, *CHUNKING), why, _INSTEAD)
    elif role:
        why = "its bits change at one output column, and from 192 inputs a sum with every length of chunk"
        yield node.finding("convolution-over-time", "danger", (*PADDING, *CHUNKING), why, _INSTEAD)
