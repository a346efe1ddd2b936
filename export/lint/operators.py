"""The rules on operators by their name: element-wise functions, convolutions, quantisation, randomness."""

from __future__ import annotations

from collections.abc import Iterator

from export.lint.axes import Role
from export.lint.finding import ALL, BATCH, CHUNKING, PADDING, Finding
from export.lint.view import NodeView, Source

_BANNED = frozenset(("Log", "Softplus", "Elu", "Selu", "Celu", "Mish", "Sin", "Cos", "Asin", "Acos", "Atan"))
_EXACT = "Tanh, Sigmoid, Relu, Gelu, Swish or Erf; for functions of a position, a constant table and Gather"


def check_activation(node: NodeView) -> Iterator[Finding]:
    """Judge element-wise functions whose vector part and tail round differently."""
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
    yield node.finding("position-dependent-activation", "danger", ALL, why, _EXACT)


_CONVOLUTIONS = frozenset(("Conv", "ConvTranspose", "FusedConv", "NhwcFusedConv", "CausalConvWithState", "DeformConv"))
_IM2COL = "im2col: history as state and input (Concat), one Slice a tap, one MatMul with a constant 2-D weight"


def check_convolution(node: NodeView) -> Iterator[Finding]:
    """Judge convolutions, as stored: fused forms run the same kernels. Over axes of fixed size they keep their bits."""
    if node.op not in _CONVOLUTIONS or node.source(node.input(0)) < Source.REPLACEABLE:
        return
    axes = node.axes(node.input(0))
    role = Role.UNKNOWN if axes is None else Role.FIXED
    for axis in (axes or ())[2:]:
        role |= axis.role
    if Role.UNKNOWN in role:
        why = "over which axes it runs cannot be told; over time its bits depend on the length of the chunk"
        yield node.finding("convolution-over-unknown-axis", "unknown", (*PADDING, *CHUNKING), why, _IM2COL)
    elif role:
        why = "its bits change at one output column, and from 192 inputs a sum with every length of chunk"
        yield node.finding("convolution-over-time", "danger", (*PADDING, *CHUNKING), why, _IM2COL)


_DYNAMIC = frozenset(("DynamicQuantizeLinear", "DynamicQuantizeMatMul", "DynamicQuantizeLSTM"))
_INTEGER = frozenset(("MatMulInteger", "MatMulIntegerToFloat", "ConvInteger"))
_STEPS = 6  # between a quantiser and its product: reshapes and transposes


def check_quantisation(node: NodeView) -> Iterator[Finding]:
    """Judge scales taken from what is in the call, and weight-only forms that round."""
    if node.op in _DYNAMIC or (node.op in _INTEGER and _is_fed_by_dynamic(node)):
        why = "one scale is taken over the whole call, so louder neighbours change the answer"
        instead = "static QDQ int8 with calibrated scales, or MatMulNBits with bits=8 and accuracy_level=4"
        yield node.finding("dynamic-quantisation", "danger", ALL, why, instead)
    elif node.op == "MatMulNBits":
        bits, level = node.attribute("bits", 4), node.attribute("accuracy_level", 0)
        if bits != 8 or level != 4:
            why = (
                f"with bits={bits} and accuracy_level={level} sums are of floats, and neighbours change their last bits"
            )
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


_RANDOM = frozenset(("RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial"))
_RANDOM |= {"Bernoulli"}


def check_randomness(node: NodeView) -> Iterator[Finding]:
    """Judge operators that answer differently every time."""
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
