"""The rules on inputs and outputs: batch and time have to be free. They judge the graph as stored."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

import onnx

from export.lint.axes import Analysis, Role, free_inputs
from export.lint.finding import BATCH, CHUNKING, PADDING, Danger, Finding
from export.lint.view import NodeView

_SYMBOLIC = "export with symbolic axes (dynamic_shapes), and assert that they stayed symbolic"


def check(model: onnx.ModelProto, analysis: Analysis) -> Iterator[Finding]:
    """Judge a model's signature."""
    inputs = [value for value in free_inputs(model) if value.type.HasField("tensor_type")]
    roles = {value.name: _roles(analysis, value.name) for value in inputs}
    batched = any(Role.BATCH in role for found in roles.values() for role in found)
    timed = any(Role.TIME in role for found in roles.values() for role in found)
    for value in inputs:
        shape = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        lone = batched and prod(shape) == 1  # a parameter, such as a sampling rate
        if shape and Role.BATCH not in _together(roles[value.name]) and not lone and not (batched and _shared(value)):
            why = f"no axis of {shape} is a free batch axis, so no other number of sequences can be run"
            yield _finding("static-batch-axis", value, "input", BATCH, why)
    if not timed and (sequence := _sequence(inputs)):
        axes = [dim.dim_value or dim.dim_param for dim in sequence.type.tensor_type.shape.dim]
        why = f"{axes} leaves time no free axis: one length only, shorter sequences have to be padded"
        yield _finding("static-time-axis", sequence, "input", (*PADDING, *CHUNKING), why)
    if batched:
        yield from _outputs(model, analysis)


def check_node(node: NodeView) -> Iterator[Finding]:
    """Judge a Reshape: to constant sizes only, batch and time are baked in."""
    axes = node.axes(node.input(0))
    if node.op != "Reshape" or not axes or not any(axis.role for axis in axes):
        return
    target = node.value(node.input(1))
    if target is not None and target.size and (target > 0).all():
        why = f"its target {target.tolist()} is constant, so batch and time are baked in"
        yield node.finding("static-reshape", "trap", (*BATCH, *PADDING, *CHUNKING), why, "-1 or 0 for what is free")


def _outputs(model: onnx.ModelProto, analysis: Analysis) -> Iterator[Finding]:
    for value in model.graph.output:
        axes = analysis.axes.get(("", value.name))
        dims = value.type.tensor_type.shape.dim
        if axes is None or len(axes) != len(dims):
            continue
        for axis, dim in zip(axes, dims, strict=True):
            if dim.dim_value > 0 and axis.role and Role.UNKNOWN not in axis.role:
                rule = "static-batch-axis" if Role.BATCH in axis.role else "static-time-axis"
                why = f"it is declared with {dim.dim_value} where the graph gives what comes in: a baked-in size"
                yield _finding(rule, value, "output", BATCH if Role.BATCH in axis.role else CHUNKING, why)


def _roles(analysis: Analysis, name: str) -> list[Role]:
    return [axis.role for axis in analysis.axes.get(("", name), ())]


def _together(roles: list[Role]) -> Role:
    found = Role.FIXED
    for role in roles:
        found |= role
    return found


def _shared(value: onnx.ValueInfoProto) -> bool:
    """Whether an input has a free axis that isn't the batch's: a table over time, the same for all."""
    return any(not dim.dim_value for dim in value.type.tensor_type.shape.dim)


def _sequence(inputs: list[onnx.ValueInfoProto]) -> onnx.ValueInfoProto | None:
    """Return the input that ought to have a time axis: numbers with three axes, or tokens with two."""
    for value in inputs:
        tensor = value.type.tensor_type
        tokens = tensor.elem_type in (onnx.TensorProto.INT64, onnx.TensorProto.INT32)
        if len(tensor.shape.dim) >= (2 if tokens else 3):
            return value
    return None


def _finding(rule: str, value: onnx.ValueInfoProto, kind: str, endangers: tuple[Danger, ...], why: str) -> Finding:
    return Finding(
        rule=rule,
        severity="trap",
        endangers=endangers,
        node=value.name,
        op=kind,
        graph="",
        output=value.name if kind == "output" else "",
        why=why,
        instead=_SYMBOLIC,
    )
