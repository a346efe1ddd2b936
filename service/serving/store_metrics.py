"""The metrics of the sequence store, as this server sees it."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

from service.core.metrics import CounterFamily, Family, Start

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry


class Operation(StrEnum):
    """What is asked of the store."""

    READ = "read"
    WRITE = "write"
    # Whether it answers, once a second.
    PING = "ping"


class Outcome(StrEnum):
    """What came of it."""

    OK = "ok"
    # Read: there is no such sequence.
    MISSING = "missing"
    # Read: the value can't be used here.
    REFUSED = "refused"
    # Write: another server has written meanwhile.
    CONFLICT = "conflict"
    # No answer, or not in time.
    FAILED = "failed"


_OUTCOMES: Final = {
    Operation.READ: (Outcome.OK, Outcome.MISSING, Outcome.REFUSED, Outcome.FAILED),
    Operation.WRITE: (Outcome.OK, Outcome.CONFLICT, Outcome.FAILED),
    Operation.PING: (Outcome.OK, Outcome.FAILED),
}
_OF_SEQUENCES: Final = (Operation.READ, Operation.WRITE)
OPERATIONS = CounterFamily(
    name="soloist_sequence_store_operations_total",
    text="Reads, writes and pings of the sequence store, by what came of them.",
    labels=("operation", "outcome"),
    values=tuple(Outcome),
    start=Start.SERVER,
)
SECONDS = CounterFamily(
    name="soloist_sequence_store_seconds_total",
    text="Seconds that reads and writes of the sequence store took, those that failed included.",
    labels=("operation",),
    values=_OF_SEQUENCES,
    start=Start.SERVER,
)
BYTES = CounterFamily(
    name="soloist_sequence_store_bytes_total",
    text="Bytes of sequences that were read from the store and written to it.",
    labels=("operation",),
    values=_OF_SEQUENCES,
    start=Start.SERVER,
)
REPEATS = CounterFamily(
    name="soloist_sequence_repeats_total",
    text="Requests of stored sequences that were sent again, and got the answer of before.",
    start=Start.SERVER,
)
FAMILIES: Final[tuple[Family, ...]] = (OPERATIONS, SECONDS, BYTES, REPEATS)


class StoreMetrics:
    """The metrics in one registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._operations = OPERATIONS.on(registry)
        self._seconds = SECONDS.on(registry)
        self._bytes = BYTES.on(registry)
        self.repeats = REPEATS.on(registry)
        for operation in _OF_SEQUENCES:
            self._seconds.labels(operation)
            self._bytes.labels(operation)
        for operation, outcomes in _OUTCOMES.items():
            for outcome in outcomes:
                self._operations.labels(operation, outcome)

    def done(self, operation: Operation, outcome: Outcome) -> None:
        """Count what was asked."""
        self._operations.labels(operation, outcome).inc()

    def took(self, operation: Operation, seconds: float) -> None:
        """Record how long the store took."""
        self._seconds.labels(operation).inc(seconds)

    def moved(self, operation: Operation, count: int) -> None:
        """Count bytes."""
        self._bytes.labels(operation).inc(count)
