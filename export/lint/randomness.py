"""Owns the rule on operators that answer differently every time."""

from __future__ import annotations

from collections.abc import Iterator

from export.lint.finding import ALL, Finding
from export.lint.view import NodeView

_RANDOM = frozenset(("RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial"))
_RANDOM |= {"Bernoulli"}


def check(node: NodeView) -> Iterator[Finding]:
    """Judge one node."""
    training = node.op in ("Dropout", "BiasDropout") and _is_true(node)
    if node.op in _RANDOM or training:
        why = "dropout in training mode: numbers are drawn anew" if training else "it draws numbers anew in every run"
        yield node.finding("random", "trap", ALL, why, "export in eval mode; randomness as an input")


def _is_true(node: NodeView) -> bool:
    place = 2 if node.op == "Dropout" else 4
    if not node.input(place):
        return False
    value = node.value(node.input(place))
    return value is None or bool(value.any())
