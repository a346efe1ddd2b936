"""Owns the bad requests of the Open Inference Protocol; every one may be sent alone and on a stream."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from contextlib import suppress

import numpy as np

from service.core.errors import Reason
from service.core.reasons.error_kind import ErrorKind
from soloist import SoloistError
from soloist.oip import grpc_service_pb2 as pb
from tests.integration.asking import Asker, translated
from tests.integration.cases.case import Case
from tests.integration.infer_requests import ONES, infer, request, step, stub_of
from tests.integration.strict import MAX_CHUNK_FRAMES, MAX_FRAMES, SHORT_FRAMES

_INVALID, _PRECONDITION, _MISSING, _UNIMPLEMENTED = (
    "INVALID_ARGUMENT",
    "FAILED_PRECONDITION",
    "NOT_FOUND",
    "UNIMPLEMENTED",
)
_SHAPED = "[1, time, 2]"


def _frames(count: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.ones((1, count, 2), np.float32)


def _with(message: pb.ModelInferRequest, change: Callable[[pb.ModelInferRequest], object]) -> pb.ModelInferRequest:
    change(message)
    return message


def _half() -> pb.ModelInferRequest:
    message = request(None)
    message.inputs.add(name="frames", datatype="FP16", shape=[1, 1, 2]).contents.fp32_contents.extend([1, 2])
    return message


def _shaped(*shape: int) -> pb.ModelInferRequest:
    message = request(np.zeros(0, np.float32))
    message.inputs[0].shape[:] = shape
    return message


def _parameters(parameters: MutableMapping[str, pb.InferParameter]) -> None:
    for index in range(257):
        parameters[str(index)].bool_param = True


def _long(
    field: str, change: Callable[[pb.ModelInferRequest], object], count: int
) -> tuple[str, pb.ModelInferRequest, ErrorKind, str, dict[str, object]]:
    facts: dict[str, object] = {"field": field, "count": count, "max_count": count - 1}
    return f"too-many-{field}", _with(request(), change), Reason.TOO_MANY_ENTRIES, _INVALID, facts


_BIG = request(np.array([[[1, np.inf]]], np.float32))
# Name, request, reason, code, facts.
REQUESTS: list[tuple[str, pb.ModelInferRequest, ErrorKind, str, dict[str, object]]] = [
    ("unknown-model", request(model="nobody"), Reason.MODEL_NOT_FOUND, _MISSING, {"model": "nobody"}),
    ("version-9", request(version="9"), Reason.MODEL_VERSION_NOT_FOUND, _MISSING, {"version": 9}),
    ("version-text", request(version="new"), Reason.MODEL_VERSION_NOT_FOUND, _MISSING, {"version": "new"}),
    ("broken-model", request(model="corrupt"), Reason.MODEL_UNAVAILABLE, _PRECONDITION, {"model": "corrupt"}),
    ("no-inputs", request(None), Reason.INPUT_MISSING, _INVALID, {"input": "frames"}),
    ("unknown-input", request(inputs={"x": ONES}), Reason.INPUT_UNKNOWN, _INVALID, {"input": "x"}),
    ("float64", request(ONES.astype("float64")), Reason.INPUT_TYPE_MISMATCH, _INVALID, {"expected": "FP32"}),
    ("no-batch-axis", request(ONES[0]), Reason.INPUT_SHAPE_MISMATCH, _INVALID, {"shape": "[3, 2]"}),
    ("a-number", request(np.float32(1)), Reason.INPUT_SHAPE_MISMATCH, _INVALID, {"shape": "[]"}),
    ("five-features", request(np.ones((1, 3, 5), "f4")), Reason.INPUT_SHAPE_MISMATCH, _INVALID, {"expected": _SHAPED}),
    ("nothing-in-a-huge-shape", _shaped(1, 2**63 - 1, 0), Reason.INPUT_SHAPE_MISMATCH, _INVALID, {"input": "frames"}),
    ("nothing-in-rows-without-end", _shaped(2**40, 1, 0), Reason.INPUT_SHAPE_MISMATCH, _INVALID, {"input": "frames"}),
    ("33-axes", _shaped(*[1] * 33), Reason.TOO_MANY_ENTRIES, _INVALID, {"field": "inputs.shape", "count": 33}),
    _long("inputs", lambda message: message.inputs.extend([pb.ModelInferRequest.InferInputTensor()] * 1024), 1025),
    _long(
        "outputs",
        lambda message: message.outputs.extend([pb.ModelInferRequest.InferRequestedOutputTensor()] * 1025),
        1025,
    ),
    _long("raw_input_contents", lambda message: message.raw_input_contents.extend([b""] * 1024), 1025),
    _long("parameters", lambda message: _parameters(message.parameters), 257),
    _long("inputs.parameters", lambda message: _parameters(message.inputs[0].parameters), 257),
    _long("outputs.parameters", lambda message: _parameters(message.outputs.add(name="outputs").parameters), 257),
    (
        "version-of-20-digits",
        request(version="9" * 20),
        Reason.MODEL_VERSION_NOT_FOUND,
        _MISSING,
        {"version": "9" * 20},
    ),
    ("no-rows", request(ONES[:0]), Reason.EMPTY_SEQUENCE, _INVALID, {}),
    ("no-frames", request(ONES[:, :0]), Reason.EMPTY_SEQUENCE, _INVALID, {}),
    ("33-rows", request(np.ones((33, 1, 2), "f4")), Reason.BATCH_TOO_LARGE, _INVALID, {"rows": 33, "max_rows": 32}),
    ("infinity", _BIG, Reason.NON_FINITE_INPUT, _INVALID, {"frame": 0}),
    (
        "token-256",
        request(np.array([[7, 256]]), model="letters"),
        Reason.TOKEN_OUT_OF_RANGE,
        _INVALID,
        {"token": 256},
    ),
    (
        "length-beyond-time",
        request(inputs={"length": np.array([4])}),
        Reason.INPUT_VALUE_OUT_OF_RANGE,
        _INVALID,
        {"input": "length", "value": 4, "minimum": 1, "maximum": 3},
    ),
    ("length-0", request(inputs={"length": np.array([[0]])}), Reason.INPUT_VALUE_OUT_OF_RANGE, _INVALID, {"value": 0}),
    ("two-lengths", request(inputs={"length": np.array([3, 3])}), Reason.INPUT_SHAPE_MISMATCH, _INVALID, {}),
    (
        "a-byte-short",
        _with(request(), lambda message: message.raw_input_contents.__setitem__(0, bytes(23))),
        Reason.INPUT_SIZE_MISMATCH,
        _INVALID,
        {"size": 23, "unit": "bytes", "expected": 24},
    ),
    (
        "two-raw-contents",
        _with(request(), lambda message: message.raw_input_contents.append(b"")),
        Reason.CONTENTS_MISMATCH,
        _INVALID,
        {"raw": 2, "inputs": 1},
    ),
    ("typed-half-precision", _half(), Reason.CONTENTS_RAW_ONLY, _INVALID, {"data_type": "FP16"}),
    ("unknown-output", request(outputs=("y",)), Reason.OUTPUT_UNKNOWN, _INVALID, {"output": "y"}),
    (
        "too-many-frames",
        request(_frames(MAX_FRAMES + 1)),
        Reason.SEQUENCE_TOO_LONG,
        _INVALID,
        {"max_frames": MAX_FRAMES},
    ),
    ("short-model", request(_frames(9), model="short"), Reason.SEQUENCE_TOO_LONG, _INVALID, {"frame_count": 9}),
    (
        "too-many-frames-in-a-step",
        step(1, _frames(MAX_CHUNK_FRAMES + 1), start=True),
        Reason.CHUNK_TOO_LONG,
        _INVALID,
        {"max_frames": MAX_CHUNK_FRAMES},
    ),
    ("states-too-large", step(1, start=True, model="hoarder"), Reason.SESSION_STATE_FULL, "RESOURCE_EXHAUSTED", {}),
    ("no-start", step(7), Reason.SEQUENCE_NOT_FOUND, _PRECONDITION, {"sequence": "7", "model": "sums"}),
    ("no-start-text", step("7", end=True), Reason.SEQUENCE_NOT_FOUND, _PRECONDITION, {"sequence": "'7'"}),
    ("no-id", request(parameters={"sequence_start": True}), Reason.SEQUENCE_ID_MISSING, _INVALID, {}),
    ("an-odd-id", step(1, parameters={"sequence_id": 1.5}), Reason.PARAMETER_INVALID, _INVALID, {"value": 1.5}),
    ("two-rows", step(1, np.ones((2, 1, 2), "f4"), start=True), Reason.SEQUENCE_ROWS, _INVALID, {"rows": 2}),
    ("not-causal", step(1, start=True, model="whole"), Reason.MODEL_NOT_CAUSAL, _PRECONDITION, {"model": "whole"}),
    (
        "classification",
        _with(
            request(outputs=("outputs",)),
            lambda message: setattr(message.outputs[0].parameters["classification"], "int64_param", 1),
        ),
        Reason.PARAMETER_UNSUPPORTED,
        _UNIMPLEMENTED,
        {"parameter": "classification"},
    ),
]


def _states_in_the_middle(asker: Asker) -> None:
    infer(asker, step(5, start=True))
    try:
        infer(asker, step(5, inputs={"state.sum": np.zeros((1, 2), np.float32)}))
    finally:
        infer(asker, step(5, end=True))


def _too_long_in_the_middle(asker: Asker) -> None:
    infer(asker, step(6, _frames(SHORT_FRAMES), start=True, model="short"))
    try:
        infer(asker, step(6, _frames(1), model="short"))
    finally:
        with suppress(SoloistError):  # a start that is refused leaves no sequence
            infer(asker, step(6, _frames(SHORT_FRAMES + 1), start=True, model="short"))


def _trace(asker: Asker) -> None:
    with translated():
        stub_of(asker).TraceSetting(pb.TraceSettingRequest())


CASES = [
    *(
        Case(
            name=f"infer-{name}",
            reason=reason,
            code=code,
            facts={key: str(value) for key, value in facts.items()},
            ask=lambda asker, message=message: infer(asker, message),  # type: ignore[misc]
        )
        for name, message, reason, code, facts in REQUESTS
    ),
    Case(
        name="infer-states-in-the-middle",
        reason=Reason.SEQUENCE_STATES,
        code=_INVALID,
        facts={"sequence": "5"},
        ask=_states_in_the_middle,
    ),
    Case(
        name="infer-more-frames-than-the-model-takes",
        reason=Reason.SEQUENCE_TOO_LONG,
        code=_INVALID,
        facts={"frame_count": str(SHORT_FRAMES + 1)},
        ask=_too_long_in_the_middle,
    ),
    Case(
        name="unsupported-method",
        reason=Reason.METHOD_UNSUPPORTED,
        code=_UNIMPLEMENTED,
        facts={"method": "TraceSetting"},
        ask=_trace,
    ),
]
