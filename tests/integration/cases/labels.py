"""Owns the labels that are none."""

from __future__ import annotations

from google.protobuf.timestamp_pb2 import Timestamp

from service.core.errors import Reason
from soloist.v1 import feedback_pb2 as pb
from soloist.v1 import feedback_pb2_grpc
from tests.integration.asking import Asker, translated
from tests.integration.cases.case import Case

_ID = "0123456789abcdef" * 2
_GOOD = pb.GroundTruth(prediction_id=_ID, class_index=0)
_TOO_MANY = [pb.GroundTruth()] * 1001


def _report(asker: Asker, *labels: pb.GroundTruth) -> pb.ReportResponse:
    with translated():
        return feedback_pb2_grpc.FeedbackStub(asker.channel).Report(pb.ReportRequest(labels=labels))


def _report_stream(asker: Asker, *labels: pb.GroundTruth) -> pb.ReportStreamResponse:
    messages = [pb.ReportStreamRequest(labels=[_GOOD] * 2), pb.ReportStreamRequest(labels=labels)]
    with translated():
        return feedback_pb2_grpc.FeedbackStub(asker.channel).ReportStream(iter(messages))


def _malformed(name: str, field: str, label: pb.GroundTruth) -> list[Case]:
    reported = {"field": field, "index": "1"}
    reason, code = Reason.LABEL_MALFORMED, "INVALID_ARGUMENT"
    return [
        Case(
            name=f"label-{name}",
            reason=reason,
            code=code,
            facts={**reported, "taken": "0"},
            ask=lambda asker: _report(asker, _GOOD, label),
        ),
        Case(
            name=f"streamed-label-{name}",
            reason=reason,
            code=code,
            facts={**reported, "taken": "2"},
            ask=lambda asker: _report_stream(asker, _GOOD, label),
        ),
    ]


def _dated(seconds: int) -> pb.GroundTruth:
    return pb.GroundTruth(prediction_id=_ID, class_index=0, event_time=Timestamp(seconds=seconds))


CASES = [
    *_malformed("empty", "prediction_id", pb.GroundTruth()),
    *_malformed("of-a-short-id", "prediction_id", pb.GroundTruth(prediction_id=_ID[1:], class_index=0)),
    *_malformed("of-a-capital-id", "prediction_id", pb.GroundTruth(prediction_id=_ID.upper(), class_index=0)),
    *_malformed("of-no-class", "truth", pb.GroundTruth(prediction_id=_ID)),
    *_malformed("of-a-name-without-end", "label", pb.GroundTruth(prediction_id=_ID, label="a" * 257)),
    *_malformed("of-a-negative-class", "class_index", pb.GroundTruth(prediction_id=_ID, class_index=-1)),
    *_malformed("of-a-negative-step", "step", pb.GroundTruth(prediction_id=_ID, class_index=0, step=-1)),
    *_malformed("of-no-year", "event_time", _dated(10**12)),
    *_malformed("of-a-year-before-all", "event_time", _dated(-(10**12))),
    Case(
        name="too-many-labels",
        reason=Reason.TOO_MANY_LABELS,
        code="INVALID_ARGUMENT",
        facts={"labels": "1001", "max_labels": "1000", "taken": "0"},
        ask=lambda asker: _report(asker, *_TOO_MANY),
    ),
    Case(
        name="too-many-labels-in-a-stream",
        reason=Reason.TOO_MANY_LABELS,
        code="INVALID_ARGUMENT",
        facts={"labels": "1001", "taken": "2"},
        ask=lambda asker: _report_stream(asker, *_TOO_MANY),
    ),
]
