"""The rules on normalisers: statistics of the batch or of time, and norms in pieces."""

from __future__ import annotations

from collections.abc import Iterator

from export.lint.axes import Axis, Role
from export.lint.finding import ALL, BATCH, Finding
from export.lint.view import NodeView, Source

_SINGLE = frozenset(("LayerNormalization", "RMSNormalization", "SimplifiedLayerNormalization"))
_SINGLE |= {"SkipLayerNormalization", "SkipSimplifiedLayerNormalization", "LpNormalization"}
_OVER_SPACE = frozenset(("InstanceNormalization", "GroupNormalization", "GroupNorm", "SkipGroupNorm"))
_OVER_SPACE |= {"MeanVarianceNormalization"}
_PASSED = frozenset(("Add", "Mul", "Div", "Sub", "Max", "Clip", "Pow", "Cast", "ReduceMean", "ReduceSum", "Abs"))
_ROOTS = frozenset(("Sqrt", "Rsqrt"))
_STEPS = 8  # from a mean to its root; longer ways are something else
_ONE_NODE = "LayerNormalization (opset 17) or RMSNormalization (opset 23), one node over the features"


def check(node: NodeView) -> Iterator[Finding]:
    """Judge one node."""
    if node.op in ("BatchNormalization", "SpatialBN"):
        yield from _batch_norm(node)
    elif node.op in _SINGLE:
        yield from _single(node)
    elif node.op in _OVER_SPACE:
        yield from _over_space(node)
    elif node.op in ("ReduceMean", "ReduceSum") and is_part_of_a_norm(node):
        why = "a norm in pieces: its sums depend on the row's address modulo 16, so on the batch; measured"
        yield node.finding("decomposed-norm", "danger", BATCH, why, _ONE_NODE)


def is_part_of_a_norm(node: NodeView) -> bool:
    """Whether a mean over axes of fixed size leads to a square root: a mean or a variance."""
    if node.op not in ("ReduceMean", "ReduceSum") or node.source(node.input(0)) < Source.REPLACEABLE:
        return False
    before, after = node.axes(node.input(0)), node.axes(node.output(0))
    kept = node.attribute("keepdims", 1)
    if before is None or after is None or not kept or len(before) != len(after):
        return False
    reduced = [a for a, b in zip(before, after, strict=True) if a != b]
    return all(axis.role is Role.FIXED for axis in reduced) and _reaches_root(node)


def _reaches_root(node: NodeView) -> bool:
    seen: set[int] = set()
    ring = list(node.consumers())
    for _ in range(_STEPS):
        following: list[NodeView] = []
        for reader in ring:
            if id(reader) in seen:
                continue
            seen.add(id(reader))
            if reader.op in _ROOTS or (reader.op == "Pow" and abs(reader.number(reader.input(1)) or 0) == 0.5):
                return True
            if reader.op in _PASSED:
                following.extend(reader.consumers())
        ring = following
    return False


def _batch_norm(node: NodeView) -> Iterator[Finding]:
    training = node.attribute("training_mode", 0) == 1
    if node.scope.opset < 14:  # then the mode showed in the outputs, before that in an attribute
        training = any(node.proto.output[1:]) if node.scope.opset >= 7 else not node.attribute("is_test", 0)
    if training:
        why = "in training mode it normalises with the batch at hand: a lone row gives its bias, whatever comes in"
        instead = "export in eval mode: running statistics, folded into the neighbouring weights"
        yield node.finding("batch-norm-training", "trap", ALL, why, instead)


def _single(node: NodeView) -> Iterator[Finding]:
    axes = node.axes(node.input(0))
    first = node.attribute("axis", -1)
    if axes is None:
        return  # the last axis, whatever it is, unless the node says otherwise
    chosen = (axes[first],) if node.op == "LpNormalization" and -len(axes) <= first < len(axes) else axes[first:]
    role = Role.FIXED
    for axis in chosen:
        role |= axis.role
    yield from _judged(node, role)


def _over_space(node: NodeView) -> Iterator[Finding]:
    axes = node.axes(node.input(0))
    role: Role | None = None
    if axes is not None:
        role = Role.FIXED
        chosen = axes[1:] if node.op != "MeanVarianceNormalization" else _listed(node, axes)
        for axis in chosen:
            role |= axis.role
    found = list(_judged(node, role))
    yield from found
    if not found:
        why = (
            f"the sums of {node.op} depend on a row's address, so on the batch, also over axes of fixed size; measured"
        )
        yield node.finding("norm-over-groups", "danger", BATCH, why, f"reshape, then {_ONE_NODE}")


def _listed(node: NodeView, axes: tuple[Axis, ...]) -> tuple[Axis, ...]:
    wanted = node.attribute("axes", (0, 2, 3))
    return tuple(axes[k] for k in wanted if -len(axes) <= k < len(axes))


def _judged(node: NodeView, role: Role | None) -> Iterator[Finding]:
    if role is None or Role.UNKNOWN in role:
        why = "over which axes it takes its statistics cannot be told: batch or time may be among them"
        yield node.finding("norm-over-unknown-axis", "unknown", ALL, why, _ONE_NODE)
    elif role:
        over = "the batch" if Role.BATCH in role else "time"
        why = f"its statistics run over {over}: an answer depends on what else is in the call"
        yield node.finding(f"norm-over-{'batch' if Role.BATCH in role else 'time'}", "danger", ALL, why, _ONE_NODE)
