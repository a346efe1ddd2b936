"""The metrics of sessions, and what can end one."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

from service.core.metrics import CounterFamily, Family, GaugeFamily, Start

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from soloist.v1.model_pb2 import Model


class SessionEnd(StrEnum):
    """What ended a session."""

    COMPLETE = "complete"
    CANCELLED = "cancelled"
    DEADLINE = "deadline"
    IDLE = "idle"
    DRAINED = "drained"
    ERROR = "error"


OPEN = GaugeFamily(
    name="soloist_sessions_open",
    text="Streams and sequences that are open.",
    labels=("model",),
    start=Start.VERSION,
)
ENDED = CounterFamily(
    name="soloist_sessions_ended_total",
    text="Streams and sequences that ended, by what ended them.",
    labels=("model", "reason"),
    values=tuple(SessionEnd),
    start=Start.VERSION,
)
STATE_BYTES = GaugeFamily(
    name="soloist_session_state_bytes",
    text="Memory that open streams hold: their states, and answers kept for repeats.",
    labels=("model",),
    start=Start.VERSION,
)
FAMILIES: Final[tuple[Family, ...]] = (OPEN, ENDED, STATE_BYTES)


class SessionMetrics:
    """One set of series in one registry. They are those of a model, so none goes with a version."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.open = OPEN.on(registry)
        self.ended = ENDED.on(registry)
        self.state_bytes = STATE_BYTES.on(registry)

    def prepare(self, model: Model) -> None:
        """Create every series of a model that has a version."""
        self.open.labels(model.name)
        self.state_bytes.labels(model.name)
        for end in SessionEnd:
            self.ended.labels(model.name, end)

    def forget(self, name: str, version: str) -> None:
        """Keep what is of the model."""
