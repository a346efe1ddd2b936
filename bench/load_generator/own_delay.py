"""The generator's own delay in the closed loop, where no request has a time at which it should have left."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bench.recorder import Recorder

_EVERY_SECONDS = 0.02


@asynccontextmanager
async def own_delay_watched(recorder: Recorder) -> AsyncIterator[None]:
    """Record how late the event loop wakes a timer while the block runs: as late are the answers that wait for it."""
    loop = asyncio.get_running_loop()
    timer: asyncio.Handle | None = None

    def wake(due_seconds: float) -> None:
        nonlocal timer
        now = time.perf_counter()  # an event loop's own time may be that of its last turn
        recorder.left(due_seconds=due_seconds, now_seconds=now)
        timer = loop.call_later(_EVERY_SECONDS, wake, now + _EVERY_SECONDS)

    wake(time.perf_counter())
    try:
        yield
    finally:
        if timer is not None:
            timer.cancel()
