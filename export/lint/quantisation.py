"""Owns the rules on quantisation: scales taken from what is in the call, and weight-only forms that round."""

from __future__ import annotations

from collections.abc import Iterator

from export.lint.finding import ALL, BATCH, Finding
from export.lint.view import NodeView

_DYNAMIC = frozenset(("DynamicQuantizeLinear", "DynamicQuantizeMatMul", "DynamicQuantizeLSTM"))
_INTEGER = frozenset(("MatMulInteger", "MatMulIntegerToFloat", "ConvInteger"))
_STEPS = 6  # between a quantiser and its product: reshapes and transposes


def check(node: NodeView) -> Iterator[Finding]:
    """Judge one node."""
    if node.op in _DYNAMIC or (node.op in _INTEGER and _is_fed_by_dynamic(node)):
        why = "one scale is taken over the whole call, so louder neighbours change the answer"
        instead = "static QDQ int8 with calibrated scales, or MatMulNBits with bits=8 and accuracy_level=4"
        yield node.finding("dynamic-quantisation", "danger", ALL, why, instead)
    elif node.op == "MatMulNBits":
        bits, level = node.attribute("bits", 4), node.attribute("accuracy_level", 0)
        if bits != 8 or level != 4:
            why = f"with bits={bits} and accuracy_level={level} neighbours change the last bits of sums"
            yield node.finding("weight-only-rounding", "danger", BATCH, why, "bits=8 and accuracy_level=4")
    elif node.op == "MatMulBnb4":
        why = "4-bit weights in blocks: the likes of it (MatMulNBits with bits=4) change with the batch"
        yield node.finding("weight-only-rounding", "unknown", BATCH, why, "MatMulNBits, bits=8 and accuracy_level=4")


def _is_fed_by_dynamic(node: NodeView) -> bool:
    made = node.producer(node.input(0))
    for _ in range(_STEPS):
        if made is None or made.op == "DynamicQuantizeLinear":
            break
        made = made.producer(made.input(0))
    return made is not None and made.op == "DynamicQuantizeLinear"
