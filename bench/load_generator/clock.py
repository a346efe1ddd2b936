"""Time as the load generator sees it: one clock that can be waited on, which a test replaces."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import math
import time
from typing import Protocol

# The event loop's timers are as coarse as its poll, a millisecond, and wake late; the rest is waited for awake.
_AWAKE_SECONDS = 0.002


class Clock(Protocol):
    """Seconds on a scale of its own."""

    def now(self) -> float:
        """Return the present time."""

    async def sleep_until(self, at_seconds: float) -> None:
        """Return at that time, at once when it has passed."""


class SystemClock:
    """The machine's monotonic clock. One timer wakes all sleepers, so a thousand of them cost no more than their turns.

    It waits awake for the last `awake_seconds`. With 0 it leaves the processor to others, and wakes up to a millisecond
    late.
    """

    def __init__(self, *, awake_seconds: float = _AWAKE_SECONDS) -> None:
        self._awake_seconds = awake_seconds
        self._order = itertools.count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._timer: asyncio.Handle | None = None

    def now(self) -> float:
        """Return the present time."""
        return time.perf_counter()

    async def sleep_until(self, at_seconds: float) -> None:
        """Sleep until shortly before, then let the event loop turn until it is time."""
        if at_seconds <= self.now():
            return
        woken = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (at_seconds, next(self._order), woken))
        if self._sleepers[0][2] is woken:
            self._set_timer()
        await woken

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._sleepers:
            return
        loop = asyncio.get_running_loop()
        ahead_seconds = self._sleepers[0][0] - self.now() - self._awake_seconds
        if not self._awake_seconds:
            ahead_seconds = math.ceil(ahead_seconds * 1e3) / 1e3  # uvloop rounds down, and would turn until it is time
        self._timer = loop.call_later(ahead_seconds, self._wake) if ahead_seconds > 0 else loop.call_soon(self._wake)

    def _wake(self) -> None:
        now = self.now()
        while self._sleepers and (self._sleepers[0][0] <= now or self._sleepers[0][2].done()):
            woken = heapq.heappop(self._sleepers)[2]
            if not woken.done():  # whoever slept was cancelled
                woken.set_result(None)
        self._set_timer()
