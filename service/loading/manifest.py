"""The manifest inside an artifact (soloist.v1.Model, as JSON in the ONNX metadata), checked against its graph."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from google.protobuf import json_format

from service.core.request_limits import MAX_AXES, is_hollow
from soloist.data_types import BY_DATA_TYPE, dtype_of, name_of
from soloist.v1.model_pb2 import Model
from soloist.v1.tensor_pb2 import DATA_TYPE_BOOL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from service.engine.onnx_runtime import ort
    from soloist.v1.tensor_pb2 import DataType, Tensor

METADATA_KEY = "soloist.v1.Model"
# It may name hundreds of thousands of classes.
_MOST_CHARACTERS = 4 * 2**20
# Of one row. It bounds what a wrong shape may allocate.
_MOST_STATE_ELEMENTS = 2**31


class ManifestError(Exception):
    """The manifest is missing or contradicts the graph; the text has the cause."""


def read_manifest(session: ort.InferenceSession) -> Model:
    """Read the manifest of a loaded file.

    Raises:
        ManifestError: there is none, it can't be parsed, or it doesn't describe this graph.

    """
    text = session.get_modelmeta().custom_metadata_map.get(METADATA_KEY)
    if text is None:
        raise ManifestError(f"the file has no metadata {METADATA_KEY!r}: export it with `soloist export`")
    if len(text) > _MOST_CHARACTERS:
        raise ManifestError(
            f"the metadata {METADATA_KEY!r} has {len(text)} characters, and may have {_MOST_CHARACTERS}"
        )
    try:
        model = json_format.Parse(text, Model(), ignore_unknown_fields=True)
    except (json_format.ParseError, RecursionError) as error:
        raise ManifestError(f"the metadata {METADATA_KEY!r} can't be parsed: {error}") from error
    check(model, session)
    return model


def has_manifest(session: ort.InferenceSession) -> bool:
    """Return whether a loaded file has a manifest."""
    return METADATA_KEY in session.get_modelmeta().custom_metadata_map


def check(model: Model, session: ort.InferenceSession) -> None:
    """Check a signature against the graph.

    Raises:
        ManifestError: a tensor is missing, not declared, or has another type, or a value isn't what its type, shape
            and number of bytes say.

    """
    signature = model.signature
    length = [signature.length] if signature.HasField("length") else []
    auxiliary = [*(each.tensor for each in signature.inputs), *(each.tensor for each in signature.controls)]
    inputs = {spec.name: spec.data_type for spec in (signature.frames, *length, *auxiliary)}
    outputs = {spec.name: spec.data_type for spec in (signature.outputs, *signature.extra_outputs)}
    for state in signature.states:
        inputs[state.input] = outputs[state.output] = state.data_type
    found = {arg.name: arg.type for arg in session.get_inputs()}
    if set(found) - set(inputs):
        raise ManifestError(f"the manifest doesn't name the inputs {', '.join(sorted(set(found) - set(inputs)))}")
    found |= {arg.name: arg.type for arg in session.get_overridable_initializers()}
    _compare("input", inputs, found)
    _compare("output", outputs, {arg.name: arg.type for arg in session.get_outputs()})
    for state in signature.states:
        shape = list(state.shape)
        if min(shape, default=0) < 0 or math.prod(size for size in shape if size) > _MOST_STATE_ELEMENTS:
            raise ManifestError(f"the manifest gives state {state.name!r} the shape {shape}, which is none")
        if state.HasField("initial"):
            _check_value(state.name, state.initial, state.data_type)
    for each in signature.inputs:
        if each.HasField("constant"):
            _check_value(each.tensor.name, each.constant, each.tensor.data_type)


def _check_value(name: str, value: Tensor, data_type: DataType.ValueType) -> None:
    if value.data_type == DATA_TYPE_BOOL and (largest := max(value.data, default=0)) > 1:
        raise ManifestError(f"the manifest has a byte {largest} for {name!r}, which takes 0 and 1")
    if value.data_type != data_type:
        given, expected = name_of(value.data_type), name_of(data_type)
        raise ManifestError(f"the manifest has a value of type {given} for {name!r}, which takes {expected}")
    shape = list(value.shape)
    if len(shape) > MAX_AXES or min(shape, default=0) < 0 or is_hollow(shape):
        raise ManifestError(f"the manifest has a value for {name!r} whose shape {shape} is none")
    if len(value.data) != (size := math.prod(shape) * dtype_of(data_type).itemsize):
        raise ManifestError(
            f"the manifest has {len(value.data)} bytes for {name!r}, and its shape {shape} takes {size}"
        )


def _compare(side: str, declared: Mapping[str, DataType.ValueType], found: Mapping[str, str]) -> None:
    for name, data_type in declared.items():
        if data_type not in BY_DATA_TYPE:
            raise ManifestError(f"the manifest gives {side} {name!r} no element type")
        expected = BY_DATA_TYPE[data_type].onnx_type
        if found.get(name) != expected:
            raise ManifestError(f"{side} {name!r} is {expected} in the manifest and {found.get(name)} in the graph")
