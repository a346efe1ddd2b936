"""The rules on products with a weight: prepacked are only constant 2-D matrices on the right."""

from __future__ import annotations

from collections.abc import Iterator

from export.lint.axes import Role
from export.lint.finding import ALL, Finding
from export.lint.view import NodeView, Source

PRODUCTS = frozenset(("MatMul", "FusedMatMul", "TransposeMatMul", "Gemm", "FusedGemm"))
_INSTEAD = "a constant 2-D initializer on the right of MatMul or Gemm"
# The main graph and one within.
_DEEPEST = 2
_WHY = "is not prepacked, so one row takes another path than many; measured: every size breaks"


def check(node: NodeView) -> Iterator[Finding]:
    """Judge one node."""
    if node.op == "Einsum":
        why = "Einsum multiplies without prepacked weights; measured: bits depend on the batch"
        yield node.finding("einsum", "danger", ALL, why, f"MatMul with {_INSTEAD}")
    elif node.op in PRODUCTS and node.is_float(node.input(0)):
        yield from _product(node)


def _product(node: NodeView) -> Iterator[Finding]:
    left, right = node.source(node.input(0)), node.source(node.input(1))
    if max(left, right) < Source.REPLACEABLE or _is_outer(node):
        return
    if left < Source.REPLACEABLE:
        yield node.finding("weight-on-the-left", "danger", ALL, f"a weight on the left {_WHY}", _INSTEAD)
    elif right is Source.CONSTANT:
        rank = node.rank(node.input(1))
        if rank is not None and rank != 2:
            yield node.finding("weight-not-2d", "danger", ALL, f"a weight with {rank} axes {_WHY}", _INSTEAD)
        elif node.attribute("transA", 0):
            yield node.finding("weight-not-2d", "danger", ALL, "the data is transposed: rows are columns", _INSTEAD)
        elif sum(1 for _ in node.scope.around()) > _DEEPEST:
            why = "two subgraphs deep a weight is not prepacked; measured: a Scan inside an If breaks"
            yield node.finding("weight-nested", "danger", ALL, why, f"{_INSTEAD}, at most one subgraph deep")
    elif right in (Source.COMPUTED, Source.SHAPE):
        made = node.producer(node.input(1))
        why = f"a weight that {made.op if made else 'a node'} computes at every run {_WHY}"
        instead = f"{_INSTEAD}; quantised weights: QDQ around a MatMul that becomes QLinearMatMul, or MatMulNBits"
        yield node.finding("weight-computed", "danger", ALL, why, instead)
    elif right is Source.REPLACEABLE:
        why = f"a weight that is also a graph input can be replaced by a caller: it {_WHY}"
        yield node.finding("weight-replaceable", "trap", ALL, why, f"{_INSTEAD}, not listed among the inputs")
    elif _is_given(node):
        yield node.finding("weight-given", "danger", ALL, f"a weight that is a graph input {_WHY}", _INSTEAD)


def _is_outer(node: NodeView) -> bool:
    """Whether nothing is added up: the inner axis has one element."""
    axes = node.axes(node.input(0))
    return bool(axes) and axes is not None and axes[-1].size == 1 and not node.attribute("transA", 0)


def _is_given(node: NodeView) -> bool:
    """Whether the right side is data of a fixed size, without batch or time, and so a weight."""
    axes = node.axes(node.input(1))
    return axes is not None and len(axes) == 2 and all(axis.role is Role.FIXED for axis in axes)


def is_product_of_data(node: NodeView) -> bool:
    """Whether both sides are data, as in attention."""
    both = (node.source(node.input(0)), node.source(node.input(1)))
    return node.op in PRODUCTS and both == (Source.DATA, Source.DATA) and node.is_float(node.input(0))
