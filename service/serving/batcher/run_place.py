"""Where a run happens: on a worker, or on the event loop if the way to a worker and back would cost more than it.

A run on the event loop can't be cancelled and delays everything else, so only those are let onto it that are known to
be short: of a shape that has run often enough, in less time than the way to a worker costs. While requests come one at
a time there is nothing to delay, so the way is saved for longer runs, too. A model that was once much slower than
expected runs on the workers for a while.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from service.serving.batcher.moving_average import FIRST, MovingAverage

if TYPE_CHECKING:
    from collections.abc import Sequence

# About what the way to a worker and back costs, lost caches included (`python -m bench.request_path`: queue and run of
# chunks that go there, beside those that don't). The time it takes is far less, and says little about that.
HOP_SECONDS = 0.0002
# After so many requests that found no other, they come one at a time.
_ALONE_REQUESTS = 32
# Then runs may take this share of the bound on the event loop. Those of one shape differ by a factor of two in length.
_ALONE_SHARE = 0.5
# A model whose run took longer than the bound on the event loop is on the workers for this many runs.
_BARRED_RUNS = 1000


class Place(StrEnum):
    """Where a run happens."""

    WORKER = "worker"
    EVENT_LOOP = "event-loop"


class Company:
    """Whether requests come one at a time, those for all models taken together. Belongs to the event loop."""

    __slots__ = ("_lonely", "_waiting")

    def __init__(self) -> None:
        self._waiting = self._lonely = 0

    def came(self, *, more_come: bool = False) -> None:
        """Take note of a request, and of whether more are on their way."""
        self._lonely = 0 if self._waiting or more_come else self._lonely + 1
        self._waiting += 1

    def left(self) -> None:
        """Take note that one has its answer."""
        self._waiting -= 1

    @property
    def is_none(self) -> bool:
        """Return whether none of the last requests found another that had no answer yet."""
        return self._lonely > _ALONE_REQUESTS


class RunPlaces:
    """The times of one model's runs by shape, and where the next one happens. Belongs to the event loop."""

    def __init__(self, max_seconds: float, company: Company | None = None) -> None:
        """Create it without runs.

        Args:
            max_seconds: how long runs may hold the event loop in one turn of it; 0: no run happens there.
            company: whether requests come one at a time; without it they never do.

        """
        self._max_seconds = max_seconds
        self._company = company or Company()
        self._short_seconds = min(HOP_SECONDS, max_seconds)
        self._alone_seconds = max(self._short_seconds, _ALONE_SHARE * max_seconds)
        self._seconds: dict[tuple[int, int], MovingAverage] = {}
        self._barred_runs = 0

    def of(self, lengths: Sequence[int]) -> Place:
        """Return where rows of these lengths run."""
        if not self._max_seconds or self._barred_runs:
            return Place.WORKER
        known = self._seconds.get(_shape(lengths))
        if known is None or known.count < FIRST or known.value > self._alone_seconds:
            return Place.WORKER
        return Place.EVENT_LOOP if known.value <= self._short_seconds or self._company.is_none else Place.WORKER

    def expected_seconds(self, frames: int) -> float | None:
        """Return about how long one row of so many frames runs by itself; None if no row of at most as many has run."""
        size = _shape((frames,))[1]
        for smaller in range(size, -1, -1):
            if (known := self._seconds.get((0, smaller))) is not None:
                return known.value * float(1 << (size - smaller))
        return None

    def ran(self, lengths: Sequence[int], seconds: float, place: Place) -> None:
        """Add a run that has ended, with its processor time."""
        shape = _shape(lengths)
        known = self._seconds.get(shape)
        if known is None:
            known = self._seconds[shape] = MovingAverage()
        known.add(seconds)
        if place is Place.EVENT_LOOP and seconds > self._max_seconds:
            self._barred_runs = _BARRED_RUNS
        elif self._barred_runs:
            self._barred_runs -= 1


def _shape(lengths: Sequence[int]) -> tuple[int, int]:
    """Return the number of rows and the longest, each rounded up to the next power of two."""
    rows = len(lengths)
    return (rows - 1).bit_length(), ((max(lengths) if rows > 1 else lengths[0]) - 1).bit_length()
