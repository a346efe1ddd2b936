"""The labels of answers: their outcomes, and the calls that report them."""

from __future__ import annotations

import asyncio
import enum
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp

from soloist.client.connection import AsyncConnection, Connection
from soloist.client.errors import SoloistError
from soloist.client.texts import utf8
from soloist.integers import int32, int64
from soloist.v1 import feedback_pb2 as pb

# The server takes no more in one message.
_MAX_LABELS = 1000


@dataclass(frozen=True, kw_only=True)
class Label:
    """The true class of an answer, by name or index.

    `step` is the frame of the sequence that it belongs to, from 0; without it the last frame of the answer.
    `event_time` is when it became known, local time if it has no zone; without it now.
    """

    prediction_id: str
    label: str | int
    step: int | None = None
    event_time: datetime | None = None


class LabelOutcome(enum.StrEnum):
    """The outcome of a label; docs/accuracy.md describes each."""

    JOINED = "joined"
    LATE = "late"
    REPEATED = "repeated"
    CONTRADICTORY = "contradictory"
    PENDING = "pending"
    UNKNOWN = "unknown"
    EXPIRED = "expired"
    STEP_NOT_ANSWERED = "step-not-answered"
    CLASS_UNKNOWN = "class-unknown"
    UNSPECIFIED = "unspecified"

    @property
    def is_kept(self) -> bool:
        """Return whether the server holds this label now: it counts, counted before, or waits for its answer."""
        return self in _KEPT


_KEPT = (LabelOutcome.JOINED, LabelOutcome.LATE, LabelOutcome.REPEATED, LabelOutcome.PENDING)


def report(connection: Connection, labels: Iterable[Label], timeout_seconds: float | None) -> list[LabelOutcome]:
    """Send labels, as many per call as allowed; `timeout_seconds` bounds each call.

    Labels may be sent again without harm, so these calls are retried like any other.

    Raises:
        SoloistError: A call was refused; the labels of the calls before it are on disk.

    """
    found: list[LabelOutcome] = []
    for chunk in _chunks(labels):
        request, attempts = pb.ReportRequest(labels=chunk), connection.attempts(timeout_seconds)
        found += _outcomes(connection.call(connection.feedback.Report, request, attempts))
    return found


async def report_async(
    connection: AsyncConnection, labels: Iterable[Label], timeout_seconds: float | None
) -> list[LabelOutcome]:
    """As report, for asyncio."""
    found: list[LabelOutcome] = []
    for chunk in _chunks(labels):
        request, attempts = pb.ReportRequest(labels=chunk), connection.attempts(timeout_seconds)
        found += _outcomes(await connection.call(connection.feedback.Report, request, attempts))
    return found


def report_stream(
    connection: Connection, labels: Iterable[Label], timeout_seconds: float | None
) -> dict[LabelOutcome, int]:
    """Send labels in one call, which isn't retried, and return the number of each outcome.

    What `labels` raises is raised here; labels before it may be on disk.

    Raises:
        SoloistError: The call was refused.

    """
    requests, attempts = _StreamRequests(labels), connection.one_attempt(timeout_seconds)
    try:
        return _counts(connection.call(connection.feedback.ReportStream, iter(requests), attempts))
    except SoloistError:
        requests.raise_error()
        raise


async def report_stream_async(
    connection: AsyncConnection, labels: Iterable[Label], timeout_seconds: float | None
) -> dict[LabelOutcome, int]:
    """As report_stream, for asyncio."""
    requests, attempts = _StreamRequests(labels), connection.one_attempt(timeout_seconds)
    try:
        return _counts(await connection.call(connection.feedback.ReportStream, iter(requests), attempts))
    except (SoloistError, asyncio.CancelledError):  # grpcio cancels the call
        requests.raise_error()
        raise


class _StreamRequests:
    """The messages of a stream of labels. It keeps what `labels` raises, of which grpcio tells nothing."""

    def __init__(self, labels: Iterable[Label]) -> None:
        self._labels = labels
        self._error: BaseException | None = None

    def __iter__(self) -> Iterator[pb.ReportStreamRequest]:
        try:
            for chunk in _chunks(self._labels):
                yield pb.ReportStreamRequest(labels=chunk)
        except GeneratorExit:
            raise
        except BaseException as error:
            self._error = error
            raise

    def raise_error(self) -> None:
        """Raise it, if there is one."""
        if self._error is not None:
            raise self._error from None


def _chunks(labels: Iterable[Label]) -> Iterator[list[pb.GroundTruth]]:
    # Messages as large as allowed, each sent as soon as it is full.
    chunk: list[pb.GroundTruth] = []
    for label in labels:
        chunk.append(_ground_truth(label))
        if len(chunk) == _MAX_LABELS:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _ground_truth(label: Label) -> pb.GroundTruth:
    message = pb.GroundTruth(
        prediction_id=utf8("prediction_id", label.prediction_id),
        step=None if label.step is None else int64("step", label.step),
    )
    if isinstance(label.label, str):
        message.label = utf8("label", label.label)
    else:
        message.class_index = int32("label", label.label)
    if label.event_time is not None:
        time = Timestamp()
        time.FromDatetime(label.event_time.astimezone())
        message.event_time.CopyFrom(time)
    return message


def _outcomes(response: pb.ReportResponse) -> list[LabelOutcome]:
    return [_OUTCOMES.get(outcome, LabelOutcome.UNSPECIFIED) for outcome in response.outcomes]


def _counts(response: pb.ReportStreamResponse) -> dict[LabelOutcome, int]:
    return {_OUTCOMES.get(each.outcome, LabelOutcome.UNSPECIFIED): each.labels for each in response.counts}


_OUTCOMES = {
    pb.LABEL_OUTCOME_JOINED: LabelOutcome.JOINED,
    pb.LABEL_OUTCOME_LATE: LabelOutcome.LATE,
    pb.LABEL_OUTCOME_REPEATED: LabelOutcome.REPEATED,
    pb.LABEL_OUTCOME_CONTRADICTORY: LabelOutcome.CONTRADICTORY,
    pb.LABEL_OUTCOME_PENDING: LabelOutcome.PENDING,
    pb.LABEL_OUTCOME_UNKNOWN: LabelOutcome.UNKNOWN,
    pb.LABEL_OUTCOME_EXPIRED: LabelOutcome.EXPIRED,
    pb.LABEL_OUTCOME_STEP_NOT_ANSWERED: LabelOutcome.STEP_NOT_ANSWERED,
    pb.LABEL_OUTCOME_CLASS_UNKNOWN: LabelOutcome.CLASS_UNKNOWN,
}
