"""The metrics of sessions, and the reasons for their end."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

from service.core.metrics import CounterFamily, Family, GaugeFamily, Start

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from soloist.v1.model_pb2 import Model

OPEN = GaugeFamily(
    name="soloist_sessions_open",
    text="Open streams and sequences.",
    labels=("model",),
    start=Start.VERSION,
)
STATE_BYTES = GaugeFamily(
    name="soloist_session_state_bytes",
    text="Memory held by open streams: their states, and answers kept for repeats.",
    labels=("model",),
    start=Start.VERSION,
)


class SessionEnd(StrEnum):
    """The reason why a session ended."""

    COMPLETE = "complete"
    # Its request is answered, and the sequence goes on from the store.
    STORED = "stored"
    CANCELLED = "cancelled"
    DEADLINE = "deadline"
    IDLE = "idle"
    EVICTED = "evicted"
    DRAINED = "drained"
    TOO_OLD = "too-old"
    ERROR = "error"


ENDED = CounterFamily(
    name="soloist_sessions_ended_total",
    text="Streams and sequences that ended, by reason.",
    labels=("model", "reason"),
    values=tuple(SessionEnd),
    start=Start.VERSION,
)
FAMILIES: Final[tuple[Family, ...]] = (OPEN, ENDED, STATE_BYTES)


class SessionMetrics:
    """One set of series in one registry. They belong to a model, so they stay when a version goes."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.open = OPEN.on(registry)
        self.ended = ENDED.on(registry)
        self.state_bytes = STATE_BYTES.on(registry)

    def prepare(self, model: Model) -> None:
        """Create every series of the version's model."""
        self.open.labels(model.name)
        self.state_bytes.labels(model.name)
        for end in SessionEnd:
            self.ended.labels(model.name, end)

    def forget(self, name: str, version: str) -> None:
        """Do nothing: the series belong to the model."""
