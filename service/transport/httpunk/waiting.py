"""What httpunk waits with: events and queues of few operations, where asyncio's are made for many who wait."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

from httpunk._backend.asyncio import AsyncioBackend


class Event:
    """As asyncio.Event. httpunk makes three for every call, and most are never waited for."""

    __slots__ = ("_is_set", "_waiting")

    def __init__(self) -> None:
        self._is_set = False
        self._waiting: list[asyncio.Future[None]] | None = None

    def is_set(self) -> bool:
        """Return whether it is set."""
        return self._is_set

    def set(self) -> None:
        """Set it, and wake those who wait."""
        if not self._is_set:
            self._is_set = True
            if self._waiting:
                for each in self._waiting:
                    if not each.done():
                        each.set_result(None)

    def clear(self) -> None:
        """Clear it."""
        self._is_set = False

    async def wait(self) -> bool:
        """Wait until it is set."""
        if self._is_set:
            return True
        waiter = asyncio.get_running_loop().create_future()
        if self._waiting is None:
            self._waiting = []
        self._waiting.append(waiter)
        try:
            await waiter
        finally:
            self._waiting.remove(waiter)
        return True


class Queue:
    """A queue without bounds, of one who reads; both ends in one."""

    __slots__ = ("_waiter", "items")

    def __init__(self) -> None:
        self.items: deque[Any] = deque()
        self._waiter: asyncio.Future[None] | None = None

    def send(self, item: Any) -> None:
        """Add an item."""
        self.items.append(item)
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    async def receive(self) -> Any:
        """Return the next item; wait for it."""
        while not self.items:
            if self._waiter is not None:
                raise RuntimeError("two read from one queue")
            waiter = self._waiter = asyncio.get_running_loop().create_future()
            try:
                await waiter
            finally:
                self._waiter = None
        return self.items.popleft()


class Backend(AsyncioBackend):
    """httpunk's asyncio with these in place of asyncio's own."""

    event = Event  # type: ignore[assignment]  # of the same form

    def queue(self) -> tuple[Queue, Queue]:
        """Return the two ends of a queue."""
        queue = Queue()
        return queue, queue
