"""The recent accuracy of a model, and its own estimate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from soloist.client.texts import utf8
from soloist.integers import int64
from soloist.v1 import feedback_pb2 as pb

_VERDICTS = {pb.TRUST_VERDICT_TRUSTED: True, pb.TRUST_VERDICT_NOT_TRUSTED: False}


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
class EstimateTrust:
    """Whether the estimated accuracy can be trusted, by the latest traffic; `is_trusted` is None if that is unknown.

    `input_drift` is how far the frames are from those of training, `norm_skew` how far the inputs of BatchNorm's
    `layer` are from its running statistics: each in units of what held-out data rarely exceed. Above 1 it is too far.
    There are figures once the sampled traffic is worth `least_sequences` fresh sequences; 0 stands for a model that has
    nothing to compare its traffic with.
    """

    is_trusted: bool | None
    input_drift: float | None
    norm_skew: float | None
    layer: str
    effective_sequences: float
    least_sequences: int

    @property
    def reason(self) -> str:
        """Return why it isn't trusted, or why nothing is known; empty if it is trusted."""
        if self.is_trusted is None:
            if not self.least_sequences:
                return "no reference"
            return f"{self.effective_sequences:.1f} of {self.least_sequences} sequences"
        drift, skew = self.input_drift, self.norm_skew
        found = [] if drift is None or drift <= 1 else [f"input drift {drift:.2f} > 1"]
        if skew is not None and skew > 1:
            found.append(f"normaliser skew {skew:.2f} > 1")
        return ", ".join(found)


@dataclass(frozen=True, kw_only=True)
class VersionAccuracy:
    """The accuracy of one version in each window, the shortest first, and whether its estimate can be trusted."""

    model: str
    version: int
    norm: str
    windows: list[WindowAccuracy]
    trust: EstimateTrust


def accuracy_request(model: str, version: int | None) -> pb.GetAccuracyRequest:
    """Return the request for the accuracy of a version, or of all."""
    return pb.GetAccuracyRequest(
        model=utf8("model", model), version=0 if version is None else int64("version", version)
    )


def accuracies(response: pb.GetAccuracyResponse) -> list[VersionAccuracy]:
    """Unpack the accuracy of each version."""
    return [
        VersionAccuracy(
            model=each.model,
            version=each.version,
            norm=each.norm,
            windows=[_window(window) for window in each.windows],
            trust=_trust(each.trust),
        )
        for each in response.versions
    ]


def _trust(message: pb.EstimateTrust) -> EstimateTrust:
    return EstimateTrust(
        is_trusted=_VERDICTS.get(message.verdict),
        input_drift=message.input_drift if message.HasField("input_drift") else None,
        norm_skew=message.norm_skew if message.HasField("norm_skew") else None,
        layer=message.layer,
        effective_sequences=message.effective_sequences,
        least_sequences=message.least_sequences,
    )


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
