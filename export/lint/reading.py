"""Reading an ONNX file for its structure: weights stay where they are."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import onnx
from google.protobuf.message import DecodeError
from onnx import inliner

from export.lint.finding import UnreadableModelError
from service.core.files import read_regular


def read(path: Path) -> onnx.ModelProto:
    """Return a model without its external data. Raises UnreadableModelError."""
    try:
        # Whatever is in its place: a pipe or a device would never end.
        model = onnx.load_model_from_string(read_regular(path))
    except (OSError, DecodeError, ValueError) as error:
        raise UnreadableModelError(f"{path}: no ONNX model can be read from it: {error}") from error
    checked(model, str(path))
    for tensor in model.graph.initializer:
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            _check_external(tensor, path)
    return model


def checked(model: onnx.ModelProto, name: str = "the model") -> onnx.ModelProto:
    """Return the model itself. Raises UnreadableModelError for what parses, as almost any bytes do, but is no model."""
    if not model.ir_version or not model.opset_import or not (model.graph.node or model.graph.output):
        raise UnreadableModelError(f"{name}: this is no ONNX model, or an empty one")
    known: set[str] = set()
    for node in model.graph.node:
        if again := known.intersection(filter(None, node.output)):
            raise UnreadableModelError(f"{name}: {min(again)} is computed twice")
        known.update(node.output)
    known |= {value.name for value in model.graph.input} | {tensor.name for tensor in model.graph.initializer}
    known |= {tensor.values.name for tensor in model.graph.sparse_initializer}
    for node in model.graph.node:
        if missing := [tensor for tensor in node.input if tensor and tensor not in known]:
            raise UnreadableModelError(
                f"{name}: {node.op_type} {node.name!r} reads {missing[0]}, which nothing computes"
            )
    return model


def inlined(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the model with its own functions in place, or as it is when that fails."""
    if not model.functions:
        return model
    try:
        return inliner.inline_local_functions(model)
    except (RuntimeError, ValueError):
        return model


def _check_external(tensor: onnx.TensorProto, path: Path) -> None:
    facts = {entry.key: entry.value for entry in tensor.external_data}
    location = PurePosixPath(facts.get("location", ""))
    place = path.parent / location
    if location.is_absolute() or ".." in location.parts:
        raise UnreadableModelError(f"{path}: the weights of {tensor.name} are outside its folder: {str(location)!r}")
    if "\0" in str(location) or not place.is_file():
        raise UnreadableModelError(f"{path}: the weights of {tensor.name} are missing: there is no file {place}")
    try:
        offset, length = (int(facts.get(key) or 0) for key in ("offset", "length"))
    except ValueError as error:
        raise UnreadableModelError(f"{path}: the weights of {tensor.name}: offset or length is no number") from error
    if offset < 0 or length < 0 or place.stat().st_size < offset + length:
        raise UnreadableModelError(f"{path}: the weights of {tensor.name} are missing: {place} is too short")
