"""The recent accuracy of a model, and its own estimate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from soloist.v1 import feedback_pb2 as pb


@dataclass(frozen=True, kw_only=True)
class SliceAccuracy:
    """Answers of one bucket of one slice ("all", "length", "position", "batch"), and the labels that they have.

    `accuracy` is correct / labels, `accuracy_low` and `accuracy_high` bound it (95 %). `estimated_accuracy` is the mean
    calibrated confidence of all answers, labelled or not: an estimate. Unknown figures are None.
    """

    slice: str
    bucket: str
    answers: int
    labelled_answers: int
    labels: int
    labelled_sequences: int
    correct: int
    accuracy: float | None
    accuracy_low: float | None
    accuracy_high: float | None
    label_coverage: float
    estimated_accuracy: float | None
    calibration_error: float | None


@dataclass(frozen=True, kw_only=True)
class WindowAccuracy:
    """The answers of the last `seconds` seconds; `confusion` counts labels by (true class, predicted class)."""

    window: str
    seconds: int
    slices: list[SliceAccuracy]
    confusion: Mapping[tuple[str, str], int]

    @property
    def total(self) -> SliceAccuracy:
        """Return the figures of all answers together."""
        return self.slices[0]


@dataclass(frozen=True, kw_only=True)
class VersionAccuracy:
    """The accuracy of one version in each window, the shortest first."""

    model: str
    version: int
    norm: str
    windows: list[WindowAccuracy]


def accuracy_request(model: str, version: int | None) -> pb.GetAccuracyRequest:
    """Return the request for the accuracy of a version, or of all."""
    return pb.GetAccuracyRequest(model=model, version=version or 0)


def accuracies(response: pb.GetAccuracyResponse) -> list[VersionAccuracy]:
    """Unpack the accuracy of each version."""
    return [
        VersionAccuracy(
            model=each.model,
            version=each.version,
            norm=each.norm,
            windows=[_window(window) for window in each.windows],
        )
        for each in response.versions
    ]


def _window(message: pb.WindowAccuracy) -> WindowAccuracy:
    return WindowAccuracy(
        window=message.window,
        seconds=message.seconds,
        slices=[_slice(each) for each in message.slices],
        confusion={(pair.truth, pair.predicted): pair.labels for pair in message.confusion},
    )


def _slice(message: pb.SliceAccuracy) -> SliceAccuracy:
    return SliceAccuracy(
        slice=message.slice,
        bucket=message.bucket,
        answers=message.answers,
        labelled_answers=message.labelled_answers,
        labels=message.labels,
        labelled_sequences=message.labelled_sequences,
        correct=message.correct,
        accuracy=message.accuracy if message.HasField("accuracy") else None,
        accuracy_low=message.accuracy_low if message.HasField("accuracy_low") else None,
        accuracy_high=message.accuracy_high if message.HasField("accuracy_high") else None,
        label_coverage=message.label_coverage,
        estimated_accuracy=message.estimated_accuracy if message.HasField("estimated_accuracy") else None,
        calibration_error=message.calibration_error if message.HasField("calibration_error") else None,
    )
