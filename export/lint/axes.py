"""What every axis of every tensor depends on: nothing, the batch, time, or what cannot be told.

A model's shapes are inferred at four sizes. An axis that changes with the batch is a batch axis, one that changes with
time is a time axis, however many operators stand between it and the inputs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Flag

import onnx

from export.lint.inference import Inference, Tensors
from export.lint.tensors import Tensor

# Large enough for a model that halves time many times over, and apart by more than any tile.
_SIZES = ((5, 4099), (7, 4099), (5, 8209), (1, 1))
_BATCH = re.compile(r"batch|^(n|b|bs|bsz)$", re.IGNORECASE)
_TIME = re.compile(r"time|seq|frame|length|step|sample|token|^(t|l|len)$", re.IGNORECASE)
_NAME = re.compile(r"[A-Za-z_][\w.]*")
_ARITHMETIC = re.compile(r"[\d\s+*/()-]+")


class Role(Flag):
    """What the size of an axis depends on."""

    FIXED = 0
    BATCH = 1
    TIME = 2
    UNKNOWN = 4


@dataclass(frozen=True, kw_only=True)
class Axis:
    """`size` is that of a fixed axis; `least` that at one sequence of one frame; both None where unknown."""

    role: Role
    size: int | None = None
    least: int | None = None


Axes = dict[tuple[str, str], tuple[Axis, ...]]


@dataclass(frozen=True, kw_only=True)
class Analysis:
    """Axes and element types by path of the subgraph and name; `probes` for the analysis of another form of it."""

    axes: Axes
    elements: dict[tuple[str, str], int]
    probes: tuple[Tensors, ...]


def analyse(model: onnx.ModelProto, before: Analysis | None = None) -> Analysis:
    """Find the roles of all axes; `before` is the analysis of the model from which this one was optimised."""
    known = before.probes if before else ({},) * len(_SIZES)
    probes = tuple(
        Inference(model, dict(_inputs(model, *sizes)), tensors).tensors
        for sizes, tensors in zip(_SIZES, known, strict=True)
    )
    axes: Axes = {}
    for key, tensor in probes[0].items():
        shapes = [probe[key].shape if key in probe else None for probe in probes]
        if tensor.shape is not None:
            axes[key] = tuple(
                _axis([s[k] if s and k < len(s) else None for s in shapes]) for k in range(len(tensor.shape))
            )
    elements = {key: tensor.element for key, tensor in probes[0].items()}
    return Analysis(axes=axes, elements=elements, probes=probes)


def free_inputs(model: onnx.ModelProto) -> Iterator[onnx.ValueInfoProto]:
    """Yield the inputs that a caller has to give."""
    weights = {tensor.name for tensor in model.graph.initializer}
    yield from (value for value in model.graph.input if value.name not in weights)


def _axis(sizes: list[int | None]) -> Axis:
    base, more_batch, more_time, least = sizes
    if base is None or more_batch is None or more_time is None:
        return Axis(role=Role.UNKNOWN, least=least)
    role = (Role.BATCH if more_batch != base else Role.FIXED) | (Role.TIME if more_time != base else Role.FIXED)
    return Axis(role=role, size=None if role else base, least=least)


def _inputs(model: onnx.ModelProto, batch: int, time: int) -> Iterator[tuple[str, Tensor]]:
    values = list(free_inputs(model))
    names = {dim.dim_param for value in values for dim in value.type.tensor_type.shape.dim if dim.dim_param}
    batches = {name for name in names if _BATCH.search(name)}
    if not batches:  # then what stands first in an input, unless it is called something of time
        batches = {
            value.type.tensor_type.shape.dim[0].dim_param
            for value in values
            if value.type.tensor_type.shape.dim and not _TIME.search(value.type.tensor_type.shape.dim[0].dim_param)
        }
    for value in values:
        tensor = value.type.tensor_type
        if not tensor.HasField("shape"):
            yield value.name, Tensor(element=tensor.elem_type)
            continue
        shape = tuple(_size(dim, k, batches, batch, time) for k, dim in enumerate(tensor.shape.dim))
        yield value.name, Tensor(element=tensor.elem_type, shape=shape)


def _size(dim: onnx.TensorShapeProto.Dimension, place: int, batches: set[str], batch: int, time: int) -> int:
    if dim.HasField("dim_value") and dim.dim_value > 0:
        return dim.dim_value
    if not dim.dim_param:
        return time if place else batch
    if dim.dim_param in batches:
        return batch
    # some exporters write sums of names, such as "past + sequence"
    text = _NAME.sub(lambda name: str(batch if name[0] in batches else time), dim.dim_param)
    if not _ARITHMETIC.fullmatch(text) or text.strip().isdigit():
        return time
    return _arithmetic(text, time)


def _arithmetic(text: str, otherwise: int) -> int:
    total = 0
    for sign, term in re.findall(r"([+-]?)\s*(\d+)\s*(?=[+-]|$)", text):
        total += -int(term) if sign == "-" else int(term)
    return total if total > 0 and re.fullmatch(r"[\d\s+-]+", text) else otherwise
