"""The metric of the live check, and the outcomes of a check."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

from service.core.metrics import VERSION, CounterFamily, Family, Start, remove

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from soloist.v1.model_pb2 import Model


class CheckOutcome(StrEnum):
    """The outcome of one check. Dropped: no room, or the version has gone. Failed: it can't be run alone."""

    EQUAL = "equal"
    DIFFERENT = "different"
    DROPPED = "dropped"
    FAILED = "failed"


CHECKS = CounterFamily(
    name="soloist_invariance_checks_total",
    text="Answers that were run again alone, by outcome.",
    labels=(*VERSION, "outcome"),
    values=tuple(CheckOutcome),
    start=Start.VERSION,
)
FAMILIES: Final[tuple[Family, ...]] = (CHECKS,)


class LiveCheckMetrics:
    """One set of series in one registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.checks = CHECKS.on(registry)

    def prepare(self, model: Model) -> None:
        """Create every series of a version that is ready."""
        for outcome in CheckOutcome:
            self.checks.labels(model.name, str(model.version), outcome)

    def forget(self, name: str, version: str) -> None:
        """Remove every series of a version."""
        remove(name, version, (self.checks,))
