"""A label as reported, and its possible outcomes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, kw_only=True, slots=True)
class Label:
    """The true class of one frame of an answer, by `class_index` or by `name`, whichever is set.

    `step` is a frame of the sequence, None for the last of the answer. `event_ms` is when it became known. `reporter`
    is the client that reports it, if that may label its own answers only.
    """

    prediction_id: bytes
    event_ms: int
    class_index: int | None = None
    name: str | None = None
    step: int | None = None
    reporter: str = ""


class Outcome(StrEnum):
    """The outcome of a label: see soloist.v1.LabelOutcome. Only PENDING is followed by another one.

    FORBIDDEN is that of a label for an answer of another client, whose reporter gets an error if it is known at once.
    """

    JOINED = "joined"
    LATE = "late"
    REPEATED = "repeated"
    CONTRADICTORY = "contradictory"
    PENDING = "pending"
    UNKNOWN = "unknown"
    EXPIRED = "expired"
    STEP_NOT_ANSWERED = "step-not-answered"
    CLASS_UNKNOWN = "class-unknown"
    FORBIDDEN = "forbidden"


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """An outcome, and the model, version and normaliser of the answer, if known.

    `delay_seconds` is from the answer to the event, for a label that counts.
    """

    outcome: Outcome
    version: tuple[str, str, str] = ("", "", "")
    delay_seconds: float | None = None
