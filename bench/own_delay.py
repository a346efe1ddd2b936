"""The generator's own delay in the closed loop, where no request has a time at which it should have left."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bench.recorder import Recorder

_EVERY_SECONDS = 0.02


@asynccontextmanager
async def own_delay_watched(recorder: Recorder) -> AsyncIterator[None]:
    """Record how late the event loop wakes a timer while the block runs: as late are the answers that wait for it."""
    loop = asyncio.get_running_loop()

    timer: asyncio.Handle

    def wake(due_seconds: float) -> None:
        nonlocal timer
        now = loop.time()
        recorder.left(due_seconds=due_seconds, now_seconds=now)
        timer = loop.call_at(now + _EVERY_SECONDS, wake, now + _EVERY_SECONDS)

    timer = loop.call_soon(wake, loop.time())
    try:
        yield
    finally:
        timer.cancel()
