"""Whose turn it is: models share the workers' time, and runs that take long leave one worker to the others.

As for callers (service.batcher.lane) each has a clock, here of the seconds that ran for it, and who is furthest behind
is next.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING
from weakref import WeakSet

if TYPE_CHECKING:
    from service.batcher.lane import Lane

# A run that is expected to take longer doesn't take the last free worker, while models are in use whose runs are
# expected to take less than this share of its time.
_LONG_RUN_SECONDS = 0.05
_SHORT_RUN_RATIO = 0.25
# A model that was called so recently is in use.
_IN_USE_SECONDS = 10.0


class Turns:
    """The lanes where something waits. Belongs to the event loop."""

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._waiting: dict[Lane, None] = {}
        self._known: WeakSet[Lane] = WeakSet()
        self._clock = 0.0

    def add(self, lane: Lane) -> None:
        """Let a lane wait; one that didn't begins where the others are."""
        if lane not in self._waiting:
            self._waiting[lane] = None
            self._known.add(lane)
            lane.clock = max(lane.clock, self._clock)

    def drop(self, lane: Lane) -> None:
        """Let a lane wait no longer."""
        self._waiting.pop(lane, None)

    def next(self, free_workers: int) -> Lane | None:
        """Give the lane whose turn it is; None when there is none, or none that may have a worker now."""
        lanes = list(self._waiting)
        if free_workers == 1 and self._workers > 1:
            lanes = [lane for lane in lanes if not self._leaves_one(lane)]
        if not lanes:
            return None
        lane = min(lanes, key=lambda each: each.clock)
        self._clock = lane.clock
        return lane

    def began(self, lane: Lane, expected_seconds: float) -> None:
        """Count a run of a lane in advance."""
        lane.clock += expected_seconds

    def ran(self, lane: Lane, seconds: float) -> None:
        """Count how much longer than expected it took, or how much shorter."""
        lane.clock += seconds

    def _leaves_one(self, lane: Lane) -> bool:
        if lane.pace.run_seconds <= _LONG_RUN_SECONDS:
            return False
        since, short_seconds = time.monotonic() - _IN_USE_SECONDS, _SHORT_RUN_RATIO * lane.pace.run_seconds
        return any(other.used_at > since and other.pace.run_seconds < short_seconds for other in self._known)
