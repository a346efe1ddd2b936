"""What turned out to be true of answers, and how right they were, to a caller."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, kw_only=True)
class Label:
    """The true class of an answer, by name or index.

    `step` is the frame of the sequence, from 0, that it is true of; without it the last frame of the answer.
    `event_time` is when it became known, local time where it has no zone; without it now.
    """

    prediction_id: str
    label: str | int
    step: int | None = None
    event_time: datetime | None = None


class LabelOutcome(enum.StrEnum):
    """What came of a label; docs/accuracy.md says when each is given."""

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
        """Tell whether the server holds this label now: it counts, counted before, or waits for its answer."""
        return self in _KEPT


_KEPT = (LabelOutcome.JOINED, LabelOutcome.LATE, LabelOutcome.REPEATED, LabelOutcome.PENDING)


@dataclass(frozen=True, kw_only=True)
class SliceAccuracy:
    """Answers of one bucket of one slice ("all", "length", "position", "batch"), and the labels that they have.

    `accuracy` is correct / labels, `accuracy_low` and `accuracy_high` bound it (95 %). `estimated_accuracy` is the mean
    calibrated confidence of all answers, labelled or not: an estimate. What can't be told is None.
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
    """The answers of the last so many seconds; `confusion` counts labels by (true class, predicted class)."""

    window: str
    seconds: int
    slices: list[SliceAccuracy]
    confusion: Mapping[tuple[str, str], int]

    @property
    def total(self) -> SliceAccuracy:
        """All answers together."""
        return self.slices[0]


@dataclass(frozen=True, kw_only=True)
class VersionAccuracy:
    """How right one version was, in each window, the shortest first."""

    model: str
    version: int
    norm: str
    windows: list[WindowAccuracy]
