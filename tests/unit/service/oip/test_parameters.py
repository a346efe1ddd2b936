from __future__ import annotations

from typing import Any

import pytest

from service.api.oip.parameters import Step, read
from service.core.errors import Reason, ServiceError
from service.core.reasons.error_kind import ErrorKind
from soloist.oip.grpc_service_pb2 import InferParameter, ModelInferRequest

_FIELDS: dict[type, str] = {bool: "bool_param", int: "int64_param", str: "string_param", float: "double_param"}


def request_with(**parameters: Any) -> ModelInferRequest:
    """Set parameters, each in the field of its type."""
    request = ModelInferRequest()
    for name, value in parameters.items():
        request.parameters[name].CopyFrom(InferParameter(**{_FIELDS[type(value)]: value}))
    return request


@pytest.mark.parametrize("sequence_id", [1, -1, 2**63 - 1, "a", "0"])
def test_a_sequence_bears_a_number_or_a_text(sequence_id: int | str) -> None:
    step = read(request_with(sequence_id=sequence_id, sequence_start=True, sequence_end=False)).step
    assert step == Step(sequence_id=sequence_id, start=True, end=False)


def test_a_number_may_be_unsigned() -> None:
    request = ModelInferRequest()
    request.parameters["sequence_id"].uint64_param = 2**64 - 1
    assert read(request).step == Step(sequence_id=2**64 - 1, start=False, end=False)


@pytest.mark.parametrize("parameters", [{}, {"sequence_id": 0}, {"sequence_id": ""}, {"priority": 3, "mine": "x"}])
def test_a_request_outside_sequences(parameters: dict[str, Any]) -> None:
    assert read(request_with(**parameters)).step is None


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ({"sequence_start": True}, Reason.SEQUENCE_ID_MISSING),
        ({"sequence_id": 0, "sequence_end": True}, Reason.SEQUENCE_ID_MISSING),
        ({"sequence_id": True}, Reason.PARAMETER_INVALID),
        ({"sequence_id": 1.5}, Reason.PARAMETER_INVALID),
        ({"sequence_id": 1, "sequence_start": 1}, Reason.PARAMETER_INVALID),
        ({"sequence_id": 1, "sequence_end": "true"}, Reason.PARAMETER_INVALID),
        ({"timeout": "soon"}, Reason.PARAMETER_INVALID),
        ({"timeout": -1}, Reason.PARAMETER_INVALID),
        ({"binary_data_output": 1}, Reason.PARAMETER_INVALID),
    ],
)
def test_impossible_parameters_are_refused(parameters: dict[str, Any], reason: ErrorKind) -> None:
    with pytest.raises(ServiceError) as caught:
        read(request_with(**parameters))
    assert caught.value.reason is reason


def test_timeout_is_in_microseconds_and_none_is_for_ever() -> None:
    assert read(request_with(timeout=1500)).timeout_seconds == 0.0015
    assert read(request_with(timeout=0)).timeout_seconds is None


@pytest.mark.parametrize(("side", "name"), [("inputs", "shared_memory_region"), ("outputs", "classification")])
def test_what_would_change_the_meaning_of_tensors_is_refused(side: str, name: str) -> None:
    request = ModelInferRequest()
    getattr(request, side).add(name="x").parameters[name].int64_param = 1
    with pytest.raises(ServiceError) as caught:
        read(request)
    assert caught.value.reason is Reason.PARAMETER_UNSUPPORTED
