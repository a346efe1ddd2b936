"""Where a run happens: on a worker, or on the event loop if the way to a worker and back would cost more than it.

A run on the event loop can't be cancelled and delays everything else, so only those are let onto it that are known to
be short: of a shape that has run often enough, in less time than the way to a worker costs. Both are measured. A model
that was once much slower than expected runs on the workers for a while.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

# What the way to a worker and back is taken to cost until so many were measured.
HOP_SECONDS = 0.0002
_MEASURED_HOPS = 32
# What it costs, as a multiple of the shortest time it takes: on another thread a run finds no data in the caches.
_COST = 3.0
# How often a shape must have run before its time is known, and the weight of the newest run in it.
_KNOWN_RUNS = 8
_WEIGHT = 0.1
_UNKNOWN = 0, 0.0
# A model whose run took longer than the bound on the event loop is on the workers for this many runs.
_BARRED_RUNS = 1000


class Place(StrEnum):
    """Where a run happens."""

    WORKER = "worker"
    EVENT_LOOP = "event-loop"


class Hop:
    """What the way to a worker and back costs on this machine, in seconds. Belongs to the event loop."""

    def __init__(self) -> None:
        self.seconds = HOP_SECONDS
        self._measured: list[float] = []

    def took(self, seconds: float) -> None:
        """Add one: the time from when a run was sent off until its results were back, without the run itself.

        The shortest counts, since whatever else the event loop and the processor do makes the others longer.
        """
        self._measured.append(seconds)
        if len(self._measured) >= _MEASURED_HOPS:
            self.seconds = _COST * min(self._measured)
            self._measured.clear()


class RunPlaces:
    """The times of one model's runs by shape, and where the next one happens. Belongs to the event loop."""

    def __init__(self, max_seconds: float, hop: Hop | None = None) -> None:
        """Create it without runs.

        Args:
            max_seconds: how long runs may hold the event loop in one turn of it; 0: no run happens there.
            hop: measures the way to a worker for all models.

        """
        self._max_seconds = max_seconds
        self._hop = hop or Hop()
        self._seconds: dict[tuple[int, int], tuple[int, float]] = {}
        self._barred_runs = 0

    def of(self, lengths: Sequence[int]) -> Place:
        """Return where rows of these lengths run."""
        if not self._max_seconds or self._barred_runs:
            return Place.WORKER
        runs, seconds = self._seconds.get(_shape(lengths), _UNKNOWN)
        is_short = runs >= _KNOWN_RUNS and seconds <= self._hop.seconds and seconds <= self._max_seconds
        return Place.EVENT_LOOP if is_short else Place.WORKER

    def ran(self, lengths: Sequence[int], seconds: float, place: Place) -> None:
        """Add a run that has ended, with its processor time."""
        shape = _shape(lengths)
        runs, before = self._seconds.get(shape, (0, seconds))
        self._seconds[shape] = (runs + 1, before + _WEIGHT * (seconds - before))
        if place is Place.EVENT_LOOP and seconds > self._max_seconds:
            self._barred_runs = _BARRED_RUNS
        elif self._barred_runs:
            self._barred_runs -= 1


def _shape(lengths: Sequence[int]) -> tuple[int, int]:
    """Return the number of rows and the longest, each rounded up to the next power of two."""
    rows = len(lengths)
    return (rows - 1).bit_length(), ((max(lengths) if rows > 1 else lengths[0]) - 1).bit_length()
