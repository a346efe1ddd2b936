"""The turns of models: they share the workers' time, and long runs leave one worker to the other models.

As for callers (model_queue.py), each has a clock, here of the seconds that ran for it. The one furthest behind is next.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING
from weakref import WeakSet

if TYPE_CHECKING:
    from service.serving.batcher.model_queue import ModelQueue

# A run expected to take longer doesn't get the last free worker while other models are in use whose runs are expected
# to take less than this share of its time.
_LONG_RUN_SECONDS = 0.05
_SHORT_RUN_RATIO = 0.25
# A model called within this time is in use.
_IN_USE_SECONDS = 10.0


class Turns:
    """The model queues in which something waits. Belongs to the event loop."""

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._waiting: dict[ModelQueue, None] = {}
        self._known: WeakSet[ModelQueue] = WeakSet()
        self._clock = 0.0

    def __bool__(self) -> bool:
        """Return whether anything waits."""
        return bool(self._waiting)

    def add(self, queue: ModelQueue) -> None:
        """Add a queue; a new one starts at the clock of the others."""
        if queue not in self._waiting:
            self._waiting[queue] = None
            self.count(queue)

    def count(self, queue: ModelQueue) -> None:
        """Let a queue take part without waiting: its clock goes on from that of the others."""
        if not queue.takes_turns:
            queue.takes_turns = True
            self._known.add(queue)
        queue.used_at = time.monotonic()
        if queue.clock < self._clock:
            queue.clock = self._clock

    def drop(self, queue: ModelQueue) -> None:
        """Remove a queue."""
        self._waiting.pop(queue, None)

    def next(self, free_workers: int) -> ModelQueue | None:
        """Return the queue whose turn it is; None if there is none, or none that may have a worker now."""
        if not self._waiting:
            return None
        queues = list(self._waiting)
        if free_workers == 1 and self._workers > 1:
            queues = [queue for queue in queues if not self._leaves_one(queue)]
        if not queues:
            return None
        queue = queues[0] if len(queues) == 1 else min(queues, key=lambda each: each.clock)
        self._clock = queue.clock
        return queue

    def oldest_to_share(self) -> float | None:
        """Return since when the oldest job has waited, if every queue has room for more in its next run; else None."""
        queues = [queue for queue in self._waiting if queue.jobs]  # all jobs of a queue may have expired
        if not queues or not all(queue.has_room_in_run() for queue in queues):
            return None
        return min(queue.oldest_since() for queue in queues)

    def began(self, queue: ModelQueue, expected_seconds: float) -> None:
        """Count a run of a queue in advance."""
        queue.clock += expected_seconds

    def ran(self, queue: ModelQueue, seconds: float) -> None:
        """Correct the clock by how much longer or shorter than expected the run took."""
        queue.clock += seconds

    def _leaves_one(self, queue: ModelQueue) -> bool:
        if queue.pace.run_seconds <= _LONG_RUN_SECONDS:
            return False
        since, short_seconds = time.monotonic() - _IN_USE_SECONDS, _SHORT_RUN_RATIO * queue.pace.run_seconds
        return any(other.used_at > since and other.pace.run_seconds < short_seconds for other in self._known)
