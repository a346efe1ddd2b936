"""Owns the bad inputs that lie in the messages: their order, and their form."""

from __future__ import annotations

from service.core.errors import Reason
from service.core.reasons.error_kind import ErrorKind
from soloist.v1 import sequence_inference_pb2 as pb
from tests.integration.asking import CLOSE, NOTHING, chunk, ones, opening, tensor
from tests.integration.cases.case import Case

_NO_MESSAGE = b"\xff\xff\xff\xff"
_HALF_A_MESSAGE = opening().SerializeToString()[:-1]


def _case(name: str, reason: ErrorKind, code: str, *messages: pb.StreamRequest, **facts: object) -> Case:
    reported = {key: str(value) for key, value in facts.items()}
    return Case(name=name, reason=reason, code=code, facts=reported, ask=lambda asker: asker.converse(*messages))


def _precondition(name: str, reason: ErrorKind, *messages: pb.StreamRequest, **facts: object) -> Case:
    return _case(name, reason, "FAILED_PRECONDITION", *messages, **facts)


_BEGUN = (opening(), chunk(0, ones(4)))
_FURTHER = (*_BEGUN, chunk(4, ones(4)))
CASES = [
    _precondition("gap", Reason.CHUNK_GAP, *_BEGUN, chunk(5, ones(4)), first_frame=5, expected_first_frame=4),
    _precondition("gap-at-once", Reason.CHUNK_GAP, opening(), chunk(1, ones(4)), expected_first_frame=0),
    _precondition("gap-beyond-all", Reason.CHUNK_GAP, *_BEGUN, chunk(2**63 - 1, ones(4)), first_frame=2**63 - 1),
    _precondition("overlap", Reason.CHUNK_OVERLAP, *_BEGUN, chunk(2, ones(4)), first_frame=2, expected_first_frame=4),
    _precondition("overlap-with-an-older-chunk", Reason.CHUNK_OVERLAP, *_FURTHER, chunk(0, ones(4)), first_frame=0),
    _precondition("negative-first-frame", Reason.CHUNK_OVERLAP, opening(), chunk(-1, ones(4)), first_frame=-1),
    _precondition(
        "conflict", Reason.CHUNK_CONFLICT, *_BEGUN, chunk(0, tensor([[1, 1], [1, 2], [1, 1], [1, 1]])), first_frame=0
    ),
    _precondition("conflict-in-length", Reason.CHUNK_CONFLICT, *_BEGUN, chunk(0, ones(3)), expected_first_frame=4),
    _precondition("chunk-before-open", Reason.STREAM_NOT_OPEN, chunk(0, ones(4))),
    _precondition("close-before-open", Reason.STREAM_NOT_OPEN, CLOSE),
    _precondition("two-opens", Reason.STREAM_ALREADY_OPEN, opening(), opening()),
    _precondition("open-after-a-chunk", Reason.STREAM_ALREADY_OPEN, *_BEGUN, opening()),
    _precondition("chunk-after-close", Reason.STREAM_CLOSED, *_BEGUN, CLOSE, chunk(4, ones(4))),
    _precondition("open-after-close", Reason.STREAM_CLOSED, opening(), CLOSE, opening()),
    _precondition("close-after-close", Reason.STREAM_CLOSED, opening(), CLOSE, CLOSE),
    _case("empty-message-first", Reason.EMPTY_MESSAGE, "INVALID_ARGUMENT", NOTHING),
    _case("empty-message-later", Reason.EMPTY_MESSAGE, "INVALID_ARGUMENT", *_BEGUN, NOTHING),
    _case("cut-before-open", Reason.STREAM_CUT, "CANCELLED"),
    _case("cut-after-open", Reason.STREAM_CUT, "CANCELLED", opening()),
    _case("cut-after-a-chunk", Reason.STREAM_CUT, "CANCELLED", *_BEGUN),
    *(
        Case(
            name=f"malformed-{method}",
            reason=Reason.MALFORMED_MESSAGE,
            code="INVALID_ARGUMENT",
            facts={"expected": f"soloist.v1.{method}Request"},
            ask=lambda asker, method=method: asker.unary_bytes(method, _NO_MESSAGE),  # type: ignore[misc]
        )
        for method in ("Predict", "ListModels", "GetModel")
    ),
    Case(
        name="malformed-open",
        reason=Reason.MALFORMED_MESSAGE,
        code="INVALID_ARGUMENT",
        facts={"expected": "soloist.v1.StreamRequest"},
        ask=lambda asker: asker.stream_bytes([_HALF_A_MESSAGE]),
    ),
    Case(
        name="malformed-chunk",
        reason=Reason.MALFORMED_MESSAGE,
        code="INVALID_ARGUMENT",
        facts={"expected": "soloist.v1.StreamRequest"},
        ask=lambda asker: asker.stream_bytes([opening().SerializeToString(), _NO_MESSAGE]),
    ),
]
