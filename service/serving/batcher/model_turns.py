"""Whose turn it is: models share the workers' time, and runs that take long leave one worker to the others.

As for callers (model_queue.py) each has a clock, here of the seconds that ran for it, and who is furthest behind is
next.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING
from weakref import WeakSet

if TYPE_CHECKING:
    from service.serving.batcher.model_queue import ModelQueue

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
        self._waiting: dict[ModelQueue, None] = {}
        self._known: WeakSet[ModelQueue] = WeakSet()
        self._clock = 0.0

    def add(self, queue: ModelQueue) -> None:
        """Let a lane wait; one that didn't begins where the others are."""
        if queue not in self._waiting:
            self._waiting[queue] = None
            self._known.add(queue)
            queue.clock = max(queue.clock, self._clock)

    def drop(self, queue: ModelQueue) -> None:
        """Let a lane wait no longer."""
        self._waiting.pop(queue, None)

    def next(self, free_workers: int) -> ModelQueue | None:
        """Return the lane whose turn it is; None when there is none, or none that may have a worker now."""
        queues = list(self._waiting)
        if free_workers == 1 and self._workers > 1:
            queues = [queue for queue in queues if not self._leaves_one(queue)]
        if not queues:
            return None
        queue = min(queues, key=lambda each: each.clock)
        self._clock = queue.clock
        return queue

    def began(self, queue: ModelQueue, expected_seconds: float) -> None:
        """Count a run of a lane in advance."""
        queue.clock += expected_seconds

    def ran(self, queue: ModelQueue, seconds: float) -> None:
        """Count how much longer than expected it took, or how much shorter."""
        queue.clock += seconds

    def _leaves_one(self, queue: ModelQueue) -> bool:
        if queue.pace.run_seconds <= _LONG_RUN_SECONDS:
            return False
        since, short_seconds = time.monotonic() - _IN_USE_SECONDS, _SHORT_RUN_RATIO * queue.pace.run_seconds
        return any(other.used_at > since and other.pace.run_seconds < short_seconds for other in self._known)
