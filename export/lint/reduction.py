"""The rules on sums: over time, over the batch, over features, and over axes of which nothing is known."""

from __future__ import annotations

from collections.abc import Iterator

from export.lint.axes import Role
from export.lint.finding import ALL, BATCH, CHUNKING, PADDING, Finding
from export.lint.normalisation import is_part_of_a_norm
from export.lint.view import NodeView, Source

# Vectorised along memory: which elements are added together depends on the address of a row, even over features.
_VECTORISED = frozenset(("ReduceMean", "ReduceSum"))
_SUMS = _VECTORISED | {"ReduceL1", "ReduceL2", "ReduceSumSquare", "ReduceLogSum", "ReduceLogSumExp", "ReduceProd"}
_EXACT = frozenset(("ReduceMax", "ReduceMin"))
_POOLS = frozenset(("AveragePool", "LpPool", "MaxPool", "QLinearAveragePool"))
_GLOBAL = frozenset(("GlobalAveragePool", "GlobalLpPool", "QLinearGlobalAveragePool"))
_RUNNING = "CumSum with the carried sum as its first element, then a gather at the last valid frame"


def check(node: NodeView) -> Iterator[Finding]:
    """Judge one node."""
    if node.source(node.input(0)) < Source.REPLACEABLE or not node.is_float(node.input(0)):
        return
    if node.op in _SUMS | _EXACT:
        yield from _reduction(node)
    elif node.op in _GLOBAL:
        yield from _over(node, _roles(node, None, skip=2))
    elif node.op in _POOLS:
        yield from _pool(node)
    elif node.op in ("Softmax", "LogSoftmax", "CumSum"):
        yield from _across_the_batch(node)


def _reduction(node: NodeView) -> Iterator[Finding]:
    role = _roles(node, _axes(node))
    if node.op in _EXACT:
        if role is not None and Role.BATCH in role:
            yield _batch(node)
        return
    found = list(_over(node, role))
    yield from found
    if not found and node.op in _VECTORISED and not is_part_of_a_norm(node):
        why = "which elements are added together depends on the row's address, so on the batch; measured at every width"
        instead = "MatMul with a constant column of ones (or 1/n), or LayerNormalization / RMSNormalization / Softmax"
        yield node.finding("reduction-over-features", "danger", BATCH, why, instead)


def _over(node: NodeView, role: Role | None) -> Iterator[Finding]:
    if role is None or Role.UNKNOWN in role:
        why = "over which axes it sums cannot be told: batch or time may be among them"
        yield node.finding("reduction-over-unknown-axis", "unknown", ALL, why, f"name the axes; over time: {_RUNNING}")
    elif Role.BATCH in role:
        yield _batch(node)
    elif Role.TIME in role:
        why = "a sum over time: its bits depend on the batch, on padding and on where a stream is cut"
        yield node.finding("reduction-over-time", "danger", ALL, why, _RUNNING)


def _batch(node: NodeView) -> Finding:
    why = "it combines the sequences of a batch, so an answer depends on its neighbours"
    return node.finding("reduction-over-batch", "danger", BATCH, why, "statistics of one sequence, or fixed ones")


def _pool(node: NodeView) -> Iterator[Finding]:
    role = _roles(node, None, skip=2)
    moves = any(node.attribute("pads", ())) or any(step != 1 for step in node.attribute("strides", ()))
    moves = moves or node.attribute("auto_pad", "NOTSET") in ("SAME_UPPER", "SAME_LOWER")
    if moves and (role is None or role):
        why = (
            "its windows are laid out from the first frame of a chunk and padded at its ends, as if nothing was beyond"
        )
        severity = "danger" if role is not None and Role.UNKNOWN not in role else "unknown"
        instead = "history as state in front (Concat), no pads, stride 1"
        yield node.finding("pooling-over-time", severity, (*PADDING, *CHUNKING), why, instead)


def _across_the_batch(node: NodeView) -> Iterator[Finding]:
    default = -1 if node.scope.opset >= 13 else 1
    axis = node.number(node.input(1)) if node.op == "CumSum" else node.attribute("axis", default)
    role = _roles(node, None if axis is None else (int(axis),))
    if role is not None and Role.BATCH in role and Role.TIME not in role:
        yield _batch(node)


def _axes(node: NodeView) -> tuple[int, ...] | None:
    """Return the axes that a node reduces, () for all of them, None when they are computed."""
    if axes := node.attribute("axes", ()):
        return tuple(axes)
    if not node.input(1):
        return ()
    value = node.value(node.input(1))
    return None if value is None else tuple(int(axis) for axis in value.flat)


def _roles(node: NodeView, axes: tuple[int, ...] | None, skip: int | None = None) -> Role | None:
    """Return what the named axes depend on together, or all from `skip` on; None when it cannot be told."""
    found = node.axes(node.input(0))
    if found is None or (axes is None and skip is None):
        return None
    if skip is not None:
        chosen = found[skip:]
    elif not axes:
        chosen = () if node.attribute("noop_with_empty_axes", 0) else found
    else:
        if not all(-len(found) <= axis < len(found) for axis in axes):
            return None
        chosen = tuple(found[axis] for axis in axes)
    role = Role.FIXED
    for axis in chosen:
        role |= axis.role
    return role
