"""The metrics of the keys file."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

from service.core.metrics import CounterFamily, Family, Start

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry


class Reload(StrEnum):
    """What came of a keys file that has changed."""

    READ = "read"
    FAILED = "failed"


RELOADS = CounterFamily(
    name="soloist_key_reloads_total",
    text="Changes of the keys file, by outcome; after a failed one the keys from before stay.",
    labels=("outcome",),
    values=tuple(Reload),
    start=Start.SERVER,
)
FAMILIES: Final[tuple[Family, ...]] = (RELOADS,)


class SealingMetrics:
    """The metrics in one registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._reloads = RELOADS.on(registry)
        for outcome in Reload:
            self._reloads.labels(outcome)

    def reloaded(self, outcome: Reload) -> None:
        """Count a change of the keys file."""
        self._reloads.labels(outcome).inc()
