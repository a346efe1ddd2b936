"""The rules on recurrent operators: their weights, their lengths, their direction."""

from __future__ import annotations

from collections.abc import Iterator

from export.lint.axes import Role
from export.lint.finding import ALL, BATCH, CHUNKING, PADDING, Finding
from export.lint.view import NodeView, Source

_RECURRENT = frozenset(("LSTM", "GRU", "DynamicQuantizeLSTM", "AttnLSTM"))
_PACKED = frozenset(("LSTM", "GRU"))
_LENGTHS = "the number of valid frames of each row as sequence_lens (input 4, int32)"


def check(node: NodeView) -> Iterator[Finding]:
    """Judge one node."""
    if node.op == "RNN":
        why = "the RNN operator multiplies without prepacked weights: its bits depend on the batch"
        yield node.finding("rnn-operator", "danger", BATCH, why, "LSTM, GRU, or a Scan of MatMul and Tanh")
    if node.op in _PACKED:
        yield from _weights(node)
    if node.op in _RECURRENT or node.op == "RNN":
        yield from _lengths(node)
        yield from _direction(node)


def _weights(node: NodeView) -> Iterator[Finding]:
    worst = max(node.source(node.input(place)) for place in (1, 2))
    if worst is not Source.CONSTANT:
        rule = "weight-replaceable" if worst is Source.REPLACEABLE else "weight-computed"
        why = "its weights are no constants, so they are not prepacked and one row takes another path than many"
        severity = "trap" if worst is Source.REPLACEABLE else "danger"
        yield node.finding(rule, severity, ALL, why, "constant initializers that are not graph inputs")


def _lengths(node: NodeView) -> Iterator[Finding]:
    if node.input(4):
        return
    axes = node.axes(node.input(0))
    ragged = axes is None or len(axes) < 2 or all(axis.role for axis in axes[:2])
    # The outputs of valid frames come before any padding; final states, and a pass from behind, come after it.
    late = (
        any(node.is_read(node.output(place)) for place in (1, 2)) or node.attribute("direction", "forward") != "forward"
    )
    if ragged and (late or _takes_lengths(node)):
        why = "without sequence_lens padding enters the states, and a bidirectional one is wrong"
        yield node.finding("recurrence-without-lengths", "danger", PADDING, why, _LENGTHS)


def _takes_lengths(node: NodeView) -> bool:
    """Whether the model is told lengths: an integer for every sequence of a batch."""
    outermost = list(node.scope.around())[-1]
    for name, source in outermost.sources.items():
        axes = node.scope.analysis.axes.get(("", name))
        made = name in outermost.producers or source is not Source.DATA
        if not made and not node.is_float(name) and axes and len(axes) == 1 and axes[0].role is Role.BATCH:
            return True
    return False


def _direction(node: NodeView) -> Iterator[Finding]:
    if (direction := node.attribute("direction", "forward")) != "forward":
        why = f"a {direction} pass sees the frames to come: a chunk's answer isn't that of the whole"
        yield node.finding("recurrence-from-behind", "danger", CHUNKING, why, "forward, or serve whole sequences only")
