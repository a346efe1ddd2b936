"""The rules on attention: at least two query rows, and heads of at most 128 numbers."""

from __future__ import annotations

from collections.abc import Iterator

from export.lint import weight
from export.lint.axes import Axis, Role
from export.lint.finding import BATCH, CHUNKING, PADDING, Finding
from export.lint.view import NodeView

HEAD = 128
# Their query stands first: [batch, time, heads · head], or in ONNX's own [batch, heads, time, head] as well.
_FUSED = frozenset(("Attention", "MultiHeadAttention", "GroupQueryAttention", "PackedAttention", "QAttention"))
_FUSED |= {"DecoderMaskedMultiHeadAttention", "DecoderMaskedSelfAttention", "PackedMultiHeadAttention"}
_FUSED |= {"SparseAttention", "DecoderAttention"}
_DUPLICATED = (
    "at least two query rows: repeat the last one inside the graph (Concat) and drop it, or tiles of fixed size"
)


def check(node: NodeView) -> Iterator[Finding]:
    """Judge one node."""
    if node.op in _FUSED:
        axes = node.axes(node.input(0))
        yield from _rows(node, axes[-2] if axes and len(axes) > 1 else None)
        yield from _head(node, _head_width(node, axes))
    elif weight.is_product_of_data(node) and not any(weight.check(node)):
        yield from _product(node)


def _product(node: NodeView) -> Iterator[Finding]:
    left, right = node.axes(node.input(0)), node.axes(node.input(1))
    if left is None or len(left) < 2:
        yield from _rows(node, None)
        return
    rows, inner = left[-2], left[-1]
    if node.attribute("transA", 0):
        rows, inner = inner, rows
    if inner.size == 1:
        return  # nothing is added up
    if Role.BATCH in inner.role and Role.TIME not in inner.role:
        why = "it adds up over the batch, so an answer depends on its neighbours"
        yield node.finding("product-over-batch", "danger", BATCH, why, "products within one sequence")
        return
    yield from _rows(node, rows)
    # Only where the other side grows with time is the inner axis a head.
    if right is not None and any(axis.role for axis in right[-2:]):
        yield from _head(node, inner.size)


def _rows(node: NodeView, rows: Axis | None) -> Iterator[Finding]:
    least = None if rows is None else rows.least if rows.size is None else rows.size
    if least is None:
        why = "how many query rows there are cannot be told; a single one takes another path"
        yield node.finding("query-rows-unknown", "unknown", (*PADDING, *CHUNKING), why, _DUPLICATED)
    elif least < 2:
        why = "a single query row takes another path than two, and differs where padding is beside it"
        yield node.finding("single-query-row", "danger", (*PADDING, *CHUNKING), why, _DUPLICATED)


def _head(node: NodeView, width: int | None) -> Iterator[Finding]:
    if width is not None and width > HEAD:
        why = f"a head of {width} numbers is summed in pieces that depend on the number of rows; up to {HEAD} it is not"
        yield node.finding("wide-head", "danger", (*PADDING, *CHUNKING), why, f"more heads, of at most {HEAD} numbers")


def _head_width(node: NodeView, axes: tuple[Axis, ...] | None) -> int | None:
    if not axes or axes[-1].size is None:
        return None
    heads = node.attribute("q_num_heads", node.attribute("num_heads", 1))
    return axes[-1].size if len(axes) == 4 else axes[-1].size // max(heads, 1)
