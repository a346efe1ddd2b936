"""Time as the load generator sees it: one clock that can be waited on, which a test replaces."""

from __future__ import annotations

import asyncio
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
    """The machine's monotonic clock."""

    def now(self) -> float:
        """Return the present time."""
        return time.perf_counter()

    async def sleep_until(self, at_seconds: float) -> None:
        """Sleep until shortly before, then let the event loop turn until it is time."""
        ahead_seconds = at_seconds - self.now()
        if ahead_seconds > _AWAKE_SECONDS:
            await asyncio.sleep(ahead_seconds - _AWAKE_SECONDS)
        while self.now() < at_seconds:  # noqa: ASYNC110  # nothing happens then that could set an event
            await asyncio.sleep(0)
