"""Labels and accuracy as messages of the protocol."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from google.protobuf.timestamp_pb2 import Timestamp

from soloist.client.feedback import Label, LabelOutcome, SliceAccuracy, VersionAccuracy, WindowAccuracy
from soloist.v1 import feedback_pb2 as pb

# The server takes no more in one message.
_MAX_LABELS = 1000
_Chunk = list[pb.GroundTruth]


def chunks(labels: Iterable[Label]) -> Iterator[_Chunk]:
    """Cut labels into as many as one message takes, each as soon as it is full."""
    chunk: _Chunk = []
    for label in labels:
        chunk.append(ground_truth(label))
        if len(chunk) == _MAX_LABELS:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def ground_truth(label: Label) -> pb.GroundTruth:
    """Say it as a message."""
    message = pb.GroundTruth(prediction_id=label.prediction_id, step=label.step)
    if isinstance(label.label, str):
        message.label = label.label
    else:
        message.class_index = label.label
    if label.event_time is not None:
        time = Timestamp()
        time.FromDatetime(label.event_time.astimezone())
        message.event_time.CopyFrom(time)
    return message


def outcomes(response: pb.ReportResponse) -> list[LabelOutcome]:
    """Unpack the outcomes, in the order of the labels."""
    return [_OUTCOMES.get(outcome, LabelOutcome.UNSPECIFIED) for outcome in response.outcomes]


def counts(response: pb.ReportStreamResponse) -> dict[LabelOutcome, int]:
    """Unpack how many labels came to what."""
    return {_OUTCOMES.get(each.outcome, LabelOutcome.UNSPECIFIED): each.labels for each in response.counts}


def accuracies(response: pb.GetAccuracyResponse) -> Iterator[VersionAccuracy]:
    """Unpack how right each version was."""
    for version in response.versions:
        windows = [_window(window) for window in version.windows]
        yield VersionAccuracy(model=version.model, version=version.version, norm=version.norm, windows=windows)


def _window(told: pb.WindowAccuracy) -> WindowAccuracy:
    return WindowAccuracy(
        window=told.window,
        seconds=told.seconds,
        slices=[_slice(each) for each in told.slices],
        confusion={(pair.truth, pair.predicted): pair.labels for pair in told.confusion},
    )


def _slice(told: pb.SliceAccuracy) -> SliceAccuracy:
    return SliceAccuracy(
        slice=told.slice,
        bucket=told.bucket,
        answers=told.answers,
        labelled_answers=told.labelled_answers,
        labels=told.labels,
        labelled_sequences=told.labelled_sequences,
        correct=told.correct,
        accuracy=told.accuracy if told.HasField("accuracy") else None,
        accuracy_low=told.accuracy_low if told.HasField("accuracy_low") else None,
        accuracy_high=told.accuracy_high if told.HasField("accuracy_high") else None,
        label_coverage=told.label_coverage,
        estimated_accuracy=told.estimated_accuracy if told.HasField("estimated_accuracy") else None,
        calibration_error=told.calibration_error if told.HasField("calibration_error") else None,
    )


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
