"""Limits on the time of blocks, where most blocks end long before: one timer serves all limits of one length.

`asyncio.timeout` makes a timer for every block, and a request is in several of them.
"""

from __future__ import annotations

import asyncio
from typing import Any, Self


class TimeLimit:
    """A block of one task, ended with TimeoutError when its time is over or when somebody says so.

    It may begin again once it is over. `task` is the one whose block it is.
    """

    __slots__ = ("_cancelling", "_loop", "_queue", "expired", "task")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop | None = None,
        queue: _Queue | None = None,
        task: asyncio.Task[Any] | None = None,
    ) -> None:
        self.expired = False
        self._loop = loop
        self._queue = queue
        self.task = task
        self._cancelling = 0

    def __enter__(self) -> Self:
        task = self.task
        if task is None:
            task = self.task = asyncio.current_task(self._loop)
        if task is None:
            raise RuntimeError("a time limit needs a task")
        self.expired = False
        self._cancelling = task.cancelling()
        queue = self._queue
        if queue is not None:
            queue.limits[self] = ends_at = queue.loop.time() + queue.seconds
            if not queue.has_timer:
                queue.begin(ends_at)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _trace: object) -> None:
        if self._queue is not None:
            self._queue.limits.pop(self, None)
        task, self.task = self.task, None
        if self.expired and task is not None:
            # As asyncio.timeout does: whoever else cancelled the task meanwhile is heard.
            is_ours = task.uncancel() <= self._cancelling
            if is_ours and kind is not None and issubclass(kind, asyncio.CancelledError):
                raise TimeoutError from error

    @property
    def seconds(self) -> float | None:
        """Return how long it may last."""
        return None if self._queue is None else self._queue.seconds

    def expire(self) -> None:
        """End the block now."""
        if not self.expired and self.task is not None:
            self.expired = True
            self.task.cancel()


class TimeLimits:
    """The limits of one event loop, the first that it is used on: to ask for the loop takes long."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._queues: dict[float, _Queue] = {}

    def within(self, seconds: float | None) -> TimeLimit:
        """Return a block that may last `seconds`; with None it lasts until somebody ends it."""
        loop = self._loop
        if loop is None:
            loop = self._loop = asyncio.get_running_loop()
        if seconds is None:
            return TimeLimit(loop)
        queue = self._queues.get(seconds)
        if queue is None:
            queue = self._queues[seconds] = _Queue(loop, seconds)
        return TimeLimit(loop, queue)


class _Queue:
    """The limits of one length that have begun, oldest first, which is also the order in which they end."""

    __slots__ = ("has_timer", "limits", "loop", "seconds")

    def __init__(self, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        self.loop = loop
        self.limits: dict[TimeLimit, float] = {}
        self.seconds = seconds
        self.has_timer = False

    def begin(self, ends_at: float) -> None:
        """Begin the timer with the first limit."""
        self.has_timer = True
        self.loop.call_at(ends_at, self._end_due)

    def _end_due(self) -> None:
        self.has_timer = False
        while self.limits:
            limit, ends_at = next(iter(self.limits.items()))
            if ends_at > self.loop.time():
                self.has_timer = True
                self.loop.call_at(ends_at, self._end_due)
                return
            del self.limits[limit]
            limit.expire()
