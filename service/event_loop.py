"""How late the event loop is: what holds it up, no caller is answered in, and no timer fires."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

_INTERVAL_SECONDS = 0.05


async def watch_event_loop(observe: Callable[[float], object]) -> None:
    """Tell, 20 times a second and without end, by how many seconds the loop was late."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + _INTERVAL_SECONDS
        await asyncio.sleep(_INTERVAL_SECONDS)
        observe(max(0.0, loop.time() - due))
