"""Inference over REST: JSON and binary data become the request of ModelInfer, and its response becomes both again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import orjson

from service.api.oip import json_fields as fields
from service.api.oip.json_contents import PIECE, most_bytes, to_json, to_raw
from service.api.oip.model_infer import model_infer
from service.api.routes import Answer, Body
from service.core.errors import Reason, ServiceError
from service.core.request_limits import MAX_AXES, MAX_TENSORS, at_most
from soloist.oip.grpc_service_pb2 import InferParameter, ModelInferRequest, ModelInferResponse

if TYPE_CHECKING:
    from service.api.oip.context import OipContext
    from service.api.oip.json_fields import Fields
    from service.serving.call import Call

_SIZE, _BINARY, _ALL_BINARY = "binary_data_size", "binary_data", "binary_data_output"
# JSON up to this size is read at once.
_LONG_BYTES = 2**16
# A byte of a text takes up to six in JSON (\u0000); those of other fields, and what stands between them, take no more.
_FIELD_FACTOR = 6


@dataclass(frozen=True, kw_only=True)
class Form:
    """Which outputs are sent as binary data: those named, or else all or none."""

    named: Mapping[str, bool]
    otherwise: bool

    def is_binary(self, output: str) -> bool:
        """Return whether an output is sent as binary data."""
        return self.named.get(output, self.otherwise)


async def rest_infer(context: OipContext, call: Call, names: Mapping[str, str], body: Body) -> Answer:
    """Answer one request.

    Raises:
        ServiceError: the body isn't what the protocol says, or as service.api.oip.model_infer.

    """
    off_loop = context.serving.off_loop
    is_long = len(body.text) > _LONG_BYTES
    request, form = await off_loop(partial(read, names, body)) if is_long else read(names, body)
    response = await model_infer(context, call, request, partial(_hold, form))
    numbers = sum(
        len(raw)
        for output, raw in zip(response.outputs, response.raw_output_contents, strict=True)
        if not form.is_binary(output.name)
    )
    is_long = numbers > PIECE
    return await off_loop(partial(write, response, form)) if is_long else write(response, form)


def _hold(form: Form, call: Call, response: ModelInferResponse) -> ModelInferResponse:
    call.hold_answer(most_bytes_of(response, form))
    return response


def read(names: Mapping[str, str], body: Body) -> tuple[ModelInferRequest, Form]:
    """Return the request, with all tensors raw, and the form of its answer.

    Raises:
        ServiceError: the body isn't what the protocol says.

    """
    given = fields.parse(body.text)
    request = ModelInferRequest(
        model_name=names["model"], model_version=names.get("version", ""), id=fields.text_of(given, "id")
    )
    parameters = dict(fields.object_of(given, "parameters"))
    all_binary = _boolean(parameters.pop(_ALL_BINARY, False), _ALL_BINARY)
    _set(request.parameters, parameters)
    inputs, outputs = fields.objects(given, "inputs"), fields.objects(given, "outputs")
    at_most(MAX_TENSORS, inputs, "inputs")
    at_most(MAX_TENSORS, outputs, "outputs")
    binary = body.binary
    for each in inputs:
        binary = _read_input(request, each, binary)
    if binary:
        taken = len(body.binary) - len(binary)
        raise ServiceError(
            Reason.BODY_SIZE_MISMATCH, part="the binary data", bytes=len(body.binary), expected_bytes=taken
        )
    named = {}
    for each in outputs:
        output = request.outputs.add(name=fields.text_of(each, "name"))
        parameters = dict(fields.object_of(each, "parameters"))
        named[output.name] = _boolean(parameters.pop(_BINARY, all_binary), _BINARY)
        _set(output.parameters, parameters)
    return request, Form(named=named, otherwise=all_binary)


def write(response: ModelInferResponse, form: Form) -> Answer:
    """Return a response whose tensors are raw in the form that was asked for."""
    outputs, binary = [], []
    for output, raw in zip(response.outputs, response.raw_output_contents, strict=True):
        written: dict[str, Any] = {
            "name": output.name,
            "datatype": output.datatype,
            "shape": list(output.shape),
        }
        if form.is_binary(output.name):
            written["parameters"] = {_SIZE: len(raw)}
            binary.append(raw)
        else:
            written["data"] = orjson.Fragment(to_json(output, raw))
        outputs.append(written)
    whole: dict[str, Any] = {"model_name": response.model_name, "model_version": response.model_version}
    if response.id:
        whole["id"] = response.id
    whole["parameters"] = {name: _parameter(each) for name, each in response.parameters.items()}
    return Answer(text=orjson.dumps({**whole, "outputs": outputs}), binary=tuple(binary))


def most_bytes_of(response: ModelInferResponse, form: Form) -> int:
    """Return the most bytes that `write` makes of a response."""
    beside = ModelInferResponse(
        model_name=response.model_name,
        model_version=response.model_version,
        id=response.id,
        parameters=response.parameters,
        outputs=response.outputs,
    )
    size = _FIELD_FACTOR * beside.ByteSize()
    for output, raw in zip(response.outputs, response.raw_output_contents, strict=True):
        size += len(raw) if form.is_binary(output.name) else most_bytes(output, raw)
    return size


def _read_input(request: ModelInferRequest, given: Fields, binary: bytes | memoryview) -> bytes | memoryview:
    """Add an input, and return the binary data that is left."""
    shape = fields.sizes_of(given, "shape")
    at_most(MAX_AXES, shape, "inputs.shape")
    tensor = request.inputs.add(
        name=fields.text_of(given, "name"), datatype=fields.text_of(given, "datatype"), shape=shape
    )
    parameters = dict(fields.object_of(given, "parameters"))
    size = parameters.pop(_SIZE, None)
    _set(tensor.parameters, parameters)
    if size is None:
        # An input in shared memory has no data; ModelInfer says that it can't be.
        is_elsewhere = given.get("data") is None and bool(parameters)
        request.raw_input_contents.append(b"" if is_elsewhere else to_raw(tensor, given.get("data")))
        return binary
    if type(size) is not int or size < 0:
        raise ServiceError(Reason.PARAMETER_INVALID, parameter=_SIZE, value=size, expected="a number of bytes")
    if given.get("data") is not None:
        raise ServiceError(Reason.JSON_INVALID, field="inputs.data", expected=f"left out where there is {_SIZE}")
    if size > len(binary):
        part = f"the rest of the binary data for input {tensor.name!r}"
        raise ServiceError(Reason.BODY_SIZE_MISMATCH, part=part, bytes=len(binary), expected_bytes=size)
    request.raw_input_contents.append(bytes(binary[:size]))
    return binary[size:]


def _boolean(value: object, name: str) -> bool:
    if isinstance(value, bool):
        return value
    raise ServiceError(Reason.PARAMETER_INVALID, parameter=name, value=value, expected="true or false")


def _set(target: Any, parameters: Mapping[str, object]) -> None:
    """Set the parameters of a request or a tensor."""
    for name, value in parameters.items():
        match value:
            case bool():
                target[name].bool_param = value
            case int() if -(2**63) <= value < 2**63:
                target[name].int64_param = value
            case int() if 0 <= value < 2**64:
                target[name].uint64_param = value
            case float():
                target[name].double_param = value
            case str():
                target[name].string_param = fields.short(value, f"parameters.{name}")
            case _:
                raise ServiceError(
                    Reason.PARAMETER_INVALID, parameter=name, value=value, expected="a number, a text, true or false"
                )


def _parameter(parameter: InferParameter) -> object:
    choice = parameter.WhichOneof("parameter_choice")
    return getattr(parameter, choice) if choice else None
