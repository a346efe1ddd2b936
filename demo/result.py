"""The figures of the demonstration, as programs read them: report.json is a Report."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from bench.load_generator.report import Summary
from demo.environment import Environment
from demo.normalisers.result import NormaliserResult


@dataclass(frozen=True, kw_only=True)
class Calls:
    """How many calls of one kind were sent and answered, and how many of them the server counted as OK."""

    answered: int
    counted: int


@dataclass(frozen=True, kw_only=True)
class ServerFigures:
    """What /metrics says of one model, all calls together."""

    predict: Calls
    stream: Calls
    mean_batch_size: float
    mean_padding_ratio: float
    mean_queue_ms: float
    mean_compute_ms: float


@dataclass(frozen=True, kw_only=True)
class ModelResult:
    """One model. `correct_*` count held-out sequences; `correct_by_frame[n]` those right after n + 1 frames."""

    name: str
    version: int
    task: str
    architecture: str
    norm: str
    parameters: int
    folded_norm_layers: int
    epochs: int
    best_epoch: int
    making_seconds: float
    sequences: int
    offline_sequences: int
    correct_offline: int
    correct_whole: int
    correct_streamed: int
    correct_by_frame: list[int]
    bits_differ: int
    frames_per_second_whole: float
    frames_per_second_streamed: float
    whole_load: Summary
    streamed_load: Summary
    server: ServerFigures

    @property
    def accuracy_offline(self) -> float:
        """Accuracy that the artifact's own manifest states, measured at export."""
        return self.correct_offline / self.offline_sequences

    @property
    def accuracy_whole(self) -> float:
        """Accuracy of the answers to Predict."""
        return self.correct_whole / self.sequences

    @property
    def accuracy_streamed(self) -> float:
        """Accuracy of the answers to the last chunk of each Stream."""
        return self.correct_streamed / self.sequences

    def as_json(self) -> dict[str, Any]:
        """Return everything, the figures that are asked for most at the top."""
        head = {
            "name": self.name,
            "task": self.task,
            "architecture": self.architecture,
            "norm": self.norm,
            "accuracy_offline": self.accuracy_offline,
            "accuracy_whole": self.accuracy_whole,
            "accuracy_streamed": self.accuracy_streamed,
            "bits_differ": self.bits_differ,
            "p50_ms": self.whole_load.sequence.p50_ms,
            "p99_ms": self.whole_load.sequence.p99_ms,
        }
        loads = {"whole_load": self.whole_load.as_json(), "streamed_load": self.streamed_load.as_json()}
        return {**head, **asdict(self), **loads}


@dataclass(frozen=True, kw_only=True)
class Report:
    """The whole demonstration. `failures` say why it failed, `warnings` what else deserves a look; both in words."""

    normalisers: list[NormaliserResult]
    models: list[ModelResult]
    seed: int
    calls_at_once: int
    load_rate_per_second: float
    load_seconds: float
    server_ready_seconds: float
    server_exit_code: int
    seconds: float
    environment: Environment
    failures: list[str]
    warnings: list[str]

    @property
    def passed(self) -> bool:
        """Return whether the demonstration kept its promise."""
        return not self.failures

    def as_json(self) -> dict[str, Any]:
        """Return everything as what `json` can write."""
        normalisers = [row.as_json() for row in self.normalisers]
        models = [model.as_json() for model in self.models]
        return {"passed": self.passed, **asdict(self), "normalisers": normalisers, "models": models}
