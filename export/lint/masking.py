"""The rules on masks: what must be hidden has to weigh exactly nothing, NaN included."""

from __future__ import annotations

from collections.abc import Iterator

from export.lint.axes import Axis, Role
from export.lint.finding import PADDING, Finding
from export.lint.view import NodeView, Source

EXACT = -100.0  # e to this, beside any other weight, is lost to float32 altogether
_SHAPING = frozenset(("Reshape", "Transpose", "Unsqueeze", "Squeeze", "Expand", "Identity", "Cast", "Slice", "Gather"))
_SCALING = frozenset(("Add", "Sub", "Mul", "Div", "Sum"))
_STEPS = 24
_INSTEAD = "Where(valid, scores, -inf) in front of the softmax"


def check(node: NodeView) -> Iterator[Finding]:
    """Judge one node."""
    if node.op in ("Softmax", "BiasSoftmax"):
        yield from _softmax(node)
    elif node.op == "Mul":
        yield from _product(node)


def _softmax(node: NodeView) -> Iterator[Finding]:
    axes = node.axes(node.input(0))
    axis = node.attribute("axis", -1 if node.scope.opset >= 13 else 1)
    role = axes[axis].role if axes and -len(axes) <= axis < len(axes) else Role.UNKNOWN
    masks, hidden = _masks(node)
    for number in masks:
        if number > EXACT:
            why = f"a mask of {number:g} leaves padding some weight: -88 leaks, from -100 on it is exact; measured"
            yield node.finding("finite-mask", "danger", PADDING, why, _INSTEAD)
            return
    if Role.TIME in role and not hidden:
        why = "a softmax over time without a mask: padded frames get weight"
        yield node.finding("softmax-without-mask", "danger", PADDING, why, _INSTEAD)


def _masks(node: NodeView) -> tuple[list[float], bool]:
    """Return the numbers that stand for "hidden" in front of a softmax, and whether anything may hide at all."""
    numbers: list[float] = []
    hidden = bool(node.input(1))
    ring = [name for name in node.proto.input if name]
    seen: set[str] = set()
    for _ in range(_STEPS):
        name = next((name for name in ring if name not in seen), "")
        if not name:
            break
        seen.add(name)
        made = node.producer(name)
        if made is None:
            hidden |= node.source(name) is Source.DATA and name not in node.proto.input
            continue
        if made.op == "Where":
            hidden = True
            constants = [made.number(side) for side in (made.input(1), made.input(2))]
            numbers += [number for number in constants if number is not None and (number < 0 or _is_scores(made))]
        elif made.op == "Mul" and made.is_float(made.output(0)):
            found = _scaled_mask(made)
            numbers += found
            hidden |= bool(found)
        if made.op in _SHAPING:
            ring.append(made.input(0))
        elif made.op in _SCALING:
            ring.extend(made.proto.input)
    return numbers, hidden


def _is_scores(where: NodeView) -> bool:
    """Whether a Where chooses between scores and a constant, not between two constants that make a mask."""
    return sum(where.number(side) is None for side in (where.input(1), where.input(2))) == 1


def _scaled_mask(node: NodeView) -> list[float]:
    """Return the factor of `(1 - mask) * -1e4`, the mask as a number."""
    for side, other in ((0, 1), (1, 0)):
        factor = node.number(node.input(side))
        if factor is not None and factor < 0 and _is_mask(node, node.input(other)):
            return [factor]
    return []


def _product(node: NodeView) -> Iterator[Finding]:
    for side, other in ((0, 1), (1, 0)):
        name = node.input(other)
        if not _is_mask(node, node.input(side)) or not node.is_float(name) or node.source(name) is not Source.DATA:
            continue
        if _is_mask(node, name) or node.number(name) is not None or not _has_frames(node.axes(name)):
            continue
        why = "a product with a mask: 0 · NaN is NaN, so what stands in the padding may leak"
        yield node.finding("mask-by-product", "danger", PADDING, why, "Where(valid, x, 0)")
        return


def _has_frames(axes: tuple[Axis, ...] | None) -> bool:
    return axes is None or any(Role.TIME in axis.role or Role.UNKNOWN in axis.role for axis in axes)


def _is_mask(node: NodeView, name: str) -> bool:
    """Whether a tensor is a truth value cast to a number, or one minus it."""
    for _ in range(_STEPS):
        made = node.producer(name)
        if made is None:
            return False
        if made.op == "Cast" and made.is_bool(made.input(0)):
            return True
        if made.op == "Sub" and made.number(made.input(0)) == 1:
            name = made.input(1)
        elif made.op in _SHAPING:
            name = made.input(0)
        else:
            return False
    return False
