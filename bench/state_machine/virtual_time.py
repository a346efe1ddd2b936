"""Virtual time: an event loop whose clock moves when it is told to."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar, cast

T = TypeVar("T")
# A server that is still busy after so many turns of the loop turns for ever.
_MOST_TURNS = 100_000
# A time, and a number that grows within it.
Moment = tuple[float, int]
_CLOCKS = ("monotonic", "perf_counter", "thread_time", "time_ns")
_NANOSECONDS_IN_MS = 1_000_000


class VirtualLoop:
    """As much of an event loop as a server without sockets and threads needs. Time stands still but for `advance`.

    While it turns, the clocks that the server reads show its time; the processor's stands still.
    """

    def __init__(self, now: float = 1000.0) -> None:
        """Create a loop whose clock shows `now`."""
        self._now = now
        self.as_loop = cast("asyncio.AbstractEventLoop", self)
        self._ready: deque[asyncio.Handle] = deque()
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._order = itertools.count()
        # What was raised where nobody waits for it.
        self.faults: list[str] = []

    @property
    def is_busy(self) -> bool:
        """Return whether something is ready to run."""
        return bool(self._ready)

    def time(self) -> float:
        """Return the virtual time in seconds."""
        return self._now

    def _time_ns(self) -> int:
        """Return another millisecond whenever it is asked, so that no two ids of answers are the same by chance."""
        return int(self._now * 1e9) + next(self._order) * _NANOSECONDS_IN_MS

    def moment(self) -> Moment:
        """Return the virtual time, told apart from all moments before."""
        return self._now, next(self._order)

    def turn(self, turns: int = _MOST_TURNS) -> None:
        """Run what is ready, and what becomes ready by it, for at most so many turns of the loop."""
        with _running(self), self.shown():
            for _ in range(turns):
                self._wake()
                if not self._ready:
                    return
                for _ in range(len(self._ready)):
                    handle = self._ready.popleft()
                    if not handle.cancelled():
                        handle._run()  # what every event loop does with its handles
        if turns == _MOST_TURNS:
            self.faults.append("the loop turns without end")

    def advance(self, seconds: float) -> None:
        """Let time pass, timer by timer."""
        until = self._now + seconds
        while self._timers and self._timers[0][0] <= until:
            self._now = max(self._now, self._timers[0][0])
            self.turn()
        self._now = until
        self.turn()

    def _wake(self) -> None:
        while self._timers and self._timers[0][0] <= self._now:
            self._ready.append(heapq.heappop(self._timers)[2])

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Let the clocks that the server reads show the virtual time, for a block."""
        before = [getattr(time, name) for name in _CLOCKS]
        for name, clock in zip(_CLOCKS, (self.time, self.time, float, self._time_ns), strict=True):
            setattr(time, name, clock)
        try:
            yield
        finally:
            for name, clock in zip(_CLOCKS, before, strict=True):
                setattr(time, name, clock)

    def call_soon(self, callback: Any, *args: Any, context: Any = None) -> asyncio.Handle:
        """Run a callback in the next turn."""
        handle = asyncio.Handle(callback, args, self.as_loop, context)
        self._ready.append(handle)
        return handle

    call_soon_threadsafe = call_soon  # there is one thread

    def call_at(self, when: float, callback: Any, *args: Any, context: Any = None) -> asyncio.TimerHandle:
        """Run a callback at a time."""
        handle = asyncio.TimerHandle(when, callback, args, self.as_loop, context)
        heapq.heappush(self._timers, (when, next(self._order), handle))
        return handle

    def call_later(self, delay: float, callback: Any, *args: Any, context: Any = None) -> asyncio.TimerHandle:
        """Run a callback after a time."""
        return self.call_at(self._now + delay, callback, *args, context=context)

    def create_future(self) -> asyncio.Future[Any]:
        """Return a future of this loop."""
        return asyncio.Future(loop=self.as_loop)

    def create_task(self, coro: Any, **options: Any) -> asyncio.Task[Any]:
        """Return a task of this loop."""
        return asyncio.Task(coro, loop=self.as_loop, **options)

    def run_in_executor(self, executor: Any, func: Callable[..., T], *args: Any) -> asyncio.Future[T]:
        """Hand a call to an executor."""
        return asyncio.wrap_future(executor.submit(func, *args), loop=self.as_loop)

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Keep what was raised where nobody waits for it."""
        self.faults.append(f"{context.get('message')}: {context.get('exception')!r}")

    def get_debug(self) -> bool:
        """Return False."""
        return False

    def is_closed(self) -> bool:
        """Return False."""
        return False

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Do nothing: a cancelled timer is passed over when its time comes."""


@contextmanager
def _running(loop: VirtualLoop) -> Iterator[None]:
    asyncio._set_running_loop(loop.as_loop)  # for those who write event loops, says asyncio
    try:
        yield
    finally:
        asyncio._set_running_loop(None)
