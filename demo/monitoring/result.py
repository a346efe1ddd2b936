"""The figures of the monitoring demonstration, as programs read them: report.json is a Report."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from bench.monitoring_cost import Ratios
from demo.environment import Environment
from demo.monitoring.offline import OfflineResult


@dataclass(frozen=True, kw_only=True)
class Matured:
    """What the server knew of one version in one phase, when the labels of the phase had had their time.

    `coverage_at_end` is the share of labelled answers when the last request had just left, None without a look then.
    """

    seed: int
    version: int
    role: str  # "batch", "layer" or "recalibrated"
    answers: int
    labelled: int
    correct: int
    labels: int
    estimated_accuracy: float | None
    calibration_error: float | None
    coverage_at_end: float | None

    @property
    def accuracy(self) -> float | None:
        """Accuracy by the labels; None without any."""
        return self.correct / self.labels if self.labels else None

    @property
    def coverage(self) -> float:
        """Share of the answers that have a label."""
        return self.labelled / self.answers if self.answers else 0.0


@dataclass(frozen=True, kw_only=True)
class Phase:
    """One stretch of the live part; times are in seconds since its start. `sent` and `outcomes` are of all senders."""

    letter: str
    title: str
    shift: str
    begin_seconds: float
    end_seconds: float  # of the sending
    sent: int
    answered: int
    refused: dict[str, int]
    outcomes: dict[str, int]
    matured: list[Matured]


@dataclass(frozen=True, kw_only=True)
class SkewPoint:
    """The skew of one layer of one version, as answered at one time."""

    seed: int
    version: int
    at_seconds: float
    layer: str
    figures: dict[str, float]  # "mean_tid", "variance_tid", "divergence_nats"
    thresholds: dict[str, float]  # the same names; what held-out data rarely exceeds, for a pool of this size
    crossed: bool

    def times_threshold(self, figure: str) -> float | None:
        """Return a figure as a multiple of its threshold; None without one."""
        threshold = self.thresholds.get(figure)
        return self.figures[figure] / threshold if threshold else None


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """One recalibrated version: what it is made from, its gates in words, and whether all passed."""

    seed: int
    version: int
    shift: str
    sequences: int
    gates: list[str]
    passed: bool


@dataclass(frozen=True, kw_only=True)
class Live:
    """All that was seen while the server ran."""

    phases: list[Phase]
    skew: list[SkewPoint]
    proposals: list[Proposal]


@dataclass(frozen=True, kw_only=True)
class Report:
    """The whole demonstration. `failures` say what was not measured; a bad figure is not a failure."""

    seeds: list[int]
    plan: dict[str, Any]
    offline: list[OfflineResult]
    live: Live
    costs: list[Ratios]
    seconds: float
    server_exit_code: int
    environment: Environment
    failures: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Return whether all that was promised was measured."""
        return not self.failures

    def as_json(self) -> dict[str, Any]:
        """Return everything as what `json` can write."""
        return {"passed": self.passed, **asdict(self)}
