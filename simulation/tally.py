"""What came of the requests, by phase: answers, refusals, latencies, labels."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from bench.recorder import Histogram

NOT_SENT = "NOT_SENT"  # a request that was due while max_in_flight others were under way
# Labels that were due but never reported: no room to keep them, or the run was over before their time.
LABEL_NO_ROOM = "no-room"
LABEL_TOO_LATE = "run-over"


@dataclass(kw_only=True)
class PhaseTally:
    """One phase so far.

    `correct` counts the answers that agree with the truth as the sender knows it, `labels` outcomes of labels.
    """

    name: str
    sent: int = 0
    answered: int = 0
    correct: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    labels_planned: int = 0
    labels: Counter[str] = field(default_factory=Counter)
    latency: Histogram = field(default_factory=Histogram)

    @property
    def accuracy(self) -> float | None:
        """Share of right answers; None without any."""
        return self.correct / self.answered if self.answered else None

    def as_json(self) -> dict[str, Any]:
        """Return everything as what `json` can write."""
        return {
            "phase": self.name,
            "sent": self.sent,
            "answered": self.answered,
            "correct": self.correct,
            "accuracy": self.accuracy,
            "refused": dict(sorted(self.refused.items())),
            "labels_planned": self.labels_planned,
            "labels": dict(sorted(self.labels.items())),
            "latency_p50_ms": self.latency.percentile_ms(50.0),
            "latency_p99_ms": self.latency.percentile_ms(99.0),
        }


class Tally:
    """All phases of a run, in their order."""

    def __init__(self, names: list[str]) -> None:
        self.phases = [PhaseTally(name=name) for name in names]

    def answered(self, phase: int, *, correct: bool, seconds: float) -> None:
        """Count an answer that came so long after its request was due."""
        counted = self.phases[phase]
        counted.answered += 1
        counted.correct += correct
        counted.latency.add(seconds)

    @property
    def answers(self) -> int:
        """Number of answers so far."""
        return sum(phase.answered for phase in self.phases)
