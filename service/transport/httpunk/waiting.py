"""What httpunk waits with: events, queues and locks of few operations, where asyncio's are made for many who wait."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine
from typing import Any

from httpunk._backend.asyncio import AsyncioBackend, _AsyncioScope


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


class Lock:
    """As asyncio.Lock, as a block. It orders writes, and is hardly ever taken."""

    __slots__ = ("_is_taken", "_waiting")

    def __init__(self) -> None:
        self._is_taken = False
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def is_free(self) -> bool:
        """Return whether nobody has it, nor waits for it."""
        return not (self._is_taken or self._waiting)

    async def __aenter__(self) -> None:
        while self._is_taken:
            waiter = asyncio.get_running_loop().create_future()
            self._waiting.append(waiter)
            try:
                await waiter
            except BaseException:
                self._wake()  # it may have been this one's turn
                raise
        self._is_taken = True

    async def __aexit__(self, *_: object) -> None:
        self._is_taken = False
        self._wake()

    def _wake(self) -> None:
        while self._waiting and not self._is_taken:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return


class Scope(_AsyncioScope):
    """httpunk's tasks of a connection, begun without asking what they are."""

    __slots__ = ()

    def spawn(self, coro: Coroutine[Any, Any, None]) -> None:
        """Begin one."""
        task = asyncio.get_running_loop().create_task(coro)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class Backend(AsyncioBackend):
    """httpunk's asyncio with these in place of asyncio's own."""

    event = Event  # type: ignore[assignment]  # of the same form
    lock = Lock  # type: ignore[assignment]

    def __init__(self) -> None:
        super().__init__()
        self.calls: Scope | None = None  # the tasks of its connection's calls, once there may be some

    def scope(self) -> Scope:  # type: ignore[override]  # of the same form
        """Return tasks of a connection: only its calls have any."""
        self.calls = Scope()
        return self.calls

    def queue(self) -> tuple[Queue, Queue]:
        """Return the two ends of a queue."""
        queue = Queue()
        return queue, queue
