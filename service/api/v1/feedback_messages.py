"""The messages of labels and accuracy: labels are read and checked before any is taken."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from service.core.errors import Reason, ServiceError
from service.observers.feedback.accuracy import ALL, SLICES
from service.observers.feedback.label import Label, Outcome
from soloist.v1 import feedback_pb2 as pb

if TYPE_CHECKING:
    from service.observers.feedback.accuracy import Tally, VersionTally
    from service.observers.feedback.accuracy_watch import Counts
    from service.observers.feedback.policy import Window

_MAX_LABELS = 1000
# The name of a class is stored until its answer is known, so its length is bounded.
_MAX_NAME_CHARACTERS = 256
_ID = re.compile(r"[0-9a-f]{32}")
OUTCOMES = {
    Outcome.JOINED: pb.LABEL_OUTCOME_JOINED,
    Outcome.LATE: pb.LABEL_OUTCOME_LATE,
    Outcome.REPEATED: pb.LABEL_OUTCOME_REPEATED,
    Outcome.CONTRADICTORY: pb.LABEL_OUTCOME_CONTRADICTORY,
    Outcome.PENDING: pb.LABEL_OUTCOME_PENDING,
    Outcome.UNKNOWN: pb.LABEL_OUTCOME_UNKNOWN,
    Outcome.EXPIRED: pb.LABEL_OUTCOME_EXPIRED,
    Outcome.STEP_NOT_ANSWERED: pb.LABEL_OUTCOME_STEP_NOT_ANSWERED,
    Outcome.CLASS_UNKNOWN: pb.LABEL_OUTCOME_CLASS_UNKNOWN,
}


def read_labels(messages: Sequence[pb.GroundTruth], *, taken: int = 0, reporter: str = "") -> list[Label]:
    """Read the labels of one message; `taken` labels came before it. `reporter` as in Label.

    Raises:
        ServiceError: TOO_MANY_LABELS, or LABEL_MALFORMED.

    """
    if len(messages) > _MAX_LABELS:
        raise ServiceError(Reason.TOO_MANY_LABELS, labels=len(messages), max_labels=_MAX_LABELS, taken=taken)
    now_ms = time.time_ns() // 1_000_000
    labels = []
    for index, message in enumerate(messages):
        _check(index, message, taken)
        labels.append(
            Label(
                prediction_id=bytes.fromhex(message.prediction_id),
                event_ms=message.event_time.ToMilliseconds() if message.HasField("event_time") else now_ms,
                class_index=message.class_index if message.HasField("class_index") else None,
                name=message.label if message.HasField("label") else None,
                step=message.step if message.HasField("step") else None,
                reporter=reporter,
            )
        )
    return labels


def _check(index: int, message: pb.GroundTruth, taken: int) -> None:
    def refuse(field: str, value: object, expected: str) -> ServiceError:
        return ServiceError(
            Reason.LABEL_MALFORMED, field=field, index=index, value=repr(value), expected=expected, taken=taken
        )

    if not _ID.fullmatch(message.prediction_id):
        raise refuse("prediction_id", message.prediction_id, "32 lower-case hexadecimal digits")
    if message.WhichOneof("truth") is None:
        raise refuse("truth", None, "a class_index or a label")
    if len(message.label) > _MAX_NAME_CHARACTERS:
        raise refuse("label", message.label, f"at most {_MAX_NAME_CHARACTERS} characters")
    if message.class_index < 0:
        raise refuse("class_index", message.class_index, "at least 0")
    if message.HasField("step") and message.step < 0:
        raise refuse("step", message.step, "at least 0")
    if message.HasField("event_time"):
        try:
            message.event_time.ToDatetime()
        except (ValueError, OverflowError):
            raise refuse("event_time", message.event_time.seconds, "a time of the years 1 to 9999") from None


_PLACES = [(ALL, ALL), *((each.name, each.bucket(number)) for each in SLICES for number in range(len(each.starts)))]


def version_accuracies(counts: Counts, model: str, version: int) -> list[pb.VersionAccuracy]:
    """Return the counts of one model, or of one version of it, by version and window."""
    identities = sorted({identity for versions in counts.values() for identity in versions})
    return [
        pb.VersionAccuracy(
            model=identity[0],
            version=identity[1],
            norm=identity[2],
            windows=[
                _window(window, versions[identity]) for window, versions in counts.items() if identity in versions
            ],
        )
        for identity in identities
        if identity[0] == model and version in (0, identity[1])
    ]


def _window(window: Window, found: VersionTally) -> pb.WindowAccuracy:
    return pb.WindowAccuracy(
        window=window.name,
        seconds=window.seconds,
        slices=[_slice(*place, found.tallies[place]) for place in _PLACES if place in found.tallies],
        confusion=[
            pb.ConfusionCount(truth=truth, predicted=predicted, labels=labels)
            for (truth, predicted), labels in sorted(found.confusion.items())
        ],
    )


def _slice(name: str, bucket: str, tally: Tally) -> pb.SliceAccuracy:
    interval = tally.interval
    return pb.SliceAccuracy(
        slice=name,
        bucket=bucket,
        answers=tally.answers,
        labelled_answers=tally.labelled_answers,
        labels=tally.labels,
        labelled_sequences=tally.labelled_sequences,
        correct=tally.correct,
        accuracy=tally.accuracy,
        accuracy_low=interval.low if interval else None,
        accuracy_high=interval.high if interval else None,
        label_coverage=tally.coverage,
        estimated_accuracy=tally.estimated_accuracy,
        calibration_error=tally.calibration_error,
    )
