"""The figures of the headline."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class ConditionResult:
    """One model in one company. `bits_differ` and `class_differs` count answers that are not as they are alone.

    Batch sizes are those that the server reported with answers; `padded_ratio` is the share of padding in the frames
    that it computed for them. `missed` answers had never the company, `repeated` calls were made until they had.
    """

    name: str
    correct: int
    bits_differ: int
    class_differs: int
    missed: int
    repeated: int
    min_batch_size: int
    mean_batch_size: float
    max_batch_size: int
    padded_ratio: float


@dataclass(frozen=True, kw_only=True)
class NormaliserResult:
    """One model in every company, the first of which is none; `bits_differ` and `class_differs` in any of them."""

    name: str
    architecture: str
    kind: str
    title: str
    control: bool
    reads: str
    sequences: int
    offline_sequences: int
    correct_offline: int
    bits_differ: int
    class_differs: int
    conditions: list[ConditionResult]

    def accuracy(self, condition: ConditionResult) -> float:
        """Return the share of right answers."""
        return condition.correct / self.sequences

    @property
    def alone(self) -> ConditionResult:
        """One sequence a run."""
        return self.conditions[0]

    def as_json(self) -> dict[str, Any]:
        """Return everything, accuracies beside counts."""
        conditions = [{**asdict(each), "accuracy": self.accuracy(each)} for each in self.conditions]
        offline = self.correct_offline / self.offline_sequences
        return {**asdict(self), "accuracy_offline": offline, "conditions": conditions}
