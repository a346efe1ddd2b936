"""The metric of shadows, and the outcomes of a comparison with the caller's answer."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

from service.core.metrics import VERSION, CounterFamily, Family, Start, remove

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from soloist.v1.model_pb2 import Model


class ShadowOutcome(StrEnum):
    """The outcome of one step. The class is that of the last frame; models with one output per frame have values."""

    EQUAL_BITS = "equal-bits"
    SAME_CLASS = "same-class"
    DIFFERENT_CLASS = "different-class"
    DIFFERENT_VALUES = "different-values"
    FAILED = "failed"
    DROPPED = "dropped"


STEPS = CounterFamily(
    name="soloist_shadow_steps_total",
    text="Steps copied to a shadow, by how far its answers were from the caller's.",
    labels=(*VERSION, "shadow", "outcome"),
    values=tuple(ShadowOutcome),
    start=Start.VERSION,
)
FAMILIES: Final[tuple[Family, ...]] = (STEPS,)


class ShadowMetrics:
    """One set of series in one registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.steps = STEPS.on(registry)

    def prepare(self, model: Model) -> None:
        """Do nothing: the series belong to a version and its shadow."""

    def prepare_pair(self, name: str, version: str, shadow: str) -> None:
        """Create every series of a version and its shadow."""
        for outcome in ShadowOutcome:
            self.steps.labels(name, version, shadow, outcome)

    def forget(self, name: str, version: str) -> None:
        """Remove every series of a version, as answering and as shadow."""
        for label in ("version", "shadow"):
            remove(name, version, (self.steps,), label=label)
