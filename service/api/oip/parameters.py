"""The parameters of a request: its place in a sequence, timeout, form of the answer. Unknown ones are echoed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from service.core.errors import Reason, ServiceError
from service.core.request_limits import MAX_PARAMETERS, MAX_TENSORS, at_most
from soloist.oip.grpc_service_pb2 import InferParameter, ModelInferRequest, ModelInferResponse

_ID, _START, _END = "sequence_id", "sequence_start", "sequence_end"
_FIRST_FRAME = "sequence_first_frame"
_TIMEOUT, _BINARY = "timeout", "binary_data_output"
_PREDICTION_ID = "prediction_id"
_FINAL, _EMPTY_FINAL = "triton_final_response", "triton_enable_empty_final_response"
# Extensions that change what the tensors mean. Ignoring them would give a wrong answer.
_UNSUPPORTED_INPUT = ("shared_memory_region",)
_UNSUPPORTED_OUTPUT = ("shared_memory_region", "classification")
SequenceId = int | str


@dataclass(frozen=True, kw_only=True)
class Step:
    """The place of a request in a sequence: its id, whether it is the first, whether it is the last.

    `first_frame` is how many frames come before, if the caller says so: an extension of ours.
    """

    sequence_id: SequenceId
    start: bool
    end: bool
    first_frame: int | None = None


@dataclass(frozen=True, kw_only=True)
class Parameters:
    """The parameters of a request; `step` is None outside sequences.

    `timeout_seconds` is how long it may wait for its run, None for no limit. `raw` is the form of the answer, None for
    that of the request.
    """

    step: Step | None
    timeout_seconds: float | None
    raw: bool | None


def read(request: ModelInferRequest) -> Parameters:
    """Read the parameters that this server knows.

    Raises:
        ServiceError: one has an invalid value or isn't supported, or a list of the request is too long.

    """
    _count(request)
    _refuse(_UNSUPPORTED_INPUT, request.inputs)
    _refuse(_UNSUPPORTED_OUTPUT, request.outputs)
    given = request.parameters
    if not given:
        return Parameters(step=None, timeout_seconds=None, raw=None)
    timeout = _integer(given, _TIMEOUT)
    # Has no effect: a request has one response, which is the final one, so none without outputs follows.
    _boolean(given, _EMPTY_FINAL)
    return Parameters(
        step=_step(given),
        timeout_seconds=timeout / 1e6 if timeout else None,
        raw=_boolean(given, _BINARY),
    )


def write_prediction_ids(response: ModelInferResponse, ids: Sequence[str]) -> None:
    """Write the prediction ids of an answer's rows, in the order of the rows, separated by commas."""
    response.parameters[_PREDICTION_ID].string_param = ",".join(ids)


def write_final(response: ModelInferResponse) -> None:
    """Mark a response as the final one of its request; clients of models with several responses wait for it."""
    response.parameters[_FINAL].bool_param = True


def _count(request: ModelInferRequest) -> None:
    at_most(MAX_TENSORS, request.inputs, "inputs")
    at_most(MAX_TENSORS, request.outputs, "outputs")
    at_most(MAX_TENSORS, request.raw_input_contents, "raw_input_contents")
    at_most(MAX_PARAMETERS, request.parameters, "parameters")
    for tensor in request.inputs:
        at_most(MAX_PARAMETERS, tensor.parameters, "inputs.parameters")
    for output in request.outputs:
        at_most(MAX_PARAMETERS, output.parameters, "outputs.parameters")


def _step(given: Mapping[str, InferParameter]) -> Step | None:
    start, end = _boolean(given, _START), _boolean(given, _END)
    value = _value(given, _ID)
    if isinstance(value, bool | float):
        raise ServiceError(Reason.PARAMETER_INVALID, parameter=_ID, value=value, expected="an integer or a text")
    if not value:  # 0 and "" stand for no sequence
        if start or end:
            raise ServiceError(Reason.SEQUENCE_ID_MISSING)
        return None
    first_frame = _integer(given, _FIRST_FRAME)
    return Step(sequence_id=value, start=bool(start), end=bool(end), first_frame=first_frame)


def _boolean(given: Mapping[str, InferParameter], name: str) -> bool | None:
    value = _value(given, name)
    if value is None or isinstance(value, bool):
        return value
    raise ServiceError(Reason.PARAMETER_INVALID, parameter=name, value=value, expected="true or false")


def _integer(given: Mapping[str, InferParameter], name: str) -> int | None:
    value = _value(given, name)
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= 0):
        return value
    raise ServiceError(Reason.PARAMETER_INVALID, parameter=name, value=value, expected="an integer of at least 0")


def _value(given: Mapping[str, InferParameter], name: str) -> bool | int | str | float | None:
    if name not in given:
        return None
    parameter = given[name]
    choice = parameter.WhichOneof("parameter_choice")
    value: bool | int | str | float | None = getattr(parameter, choice) if choice else None
    return value


def _refuse(names: tuple[str, ...], tensors: object) -> None:
    for tensor in tensors:  # type: ignore[attr-defined]  # inputs and outputs are two types of message
        for name in names:
            if name in tensor.parameters:
                raise ServiceError(Reason.PARAMETER_UNSUPPORTED, parameter=name)
