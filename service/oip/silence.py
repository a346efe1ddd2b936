"""How long a stream of requests waits for the next one: not while one is under way, and as long as its models allow."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from service.errors import Reason, ServiceError


class Silence:
    """Used once: `bounded` around the reader, which tells of every request and every answer."""

    def __init__(self, idle_seconds: float) -> None:
        self._idle_seconds = idle_seconds
        self._under_way = 0
        self._scope: asyncio.Timeout | None = None

    @asynccontextmanager
    async def bounded(self) -> AsyncIterator[None]:
        """End the block when nothing was under way or came for too long.

        Raises:
            ServiceError: SESSION_IDLE.

        """
        scope = asyncio.timeout(self._idle_seconds)
        try:
            async with scope:
                self._scope = scope
                try:
                    yield
                finally:
                    self._scope = None
        except TimeoutError:
            if not scope.expired():
                raise
            raise ServiceError(Reason.SESSION_IDLE, idle_seconds=self._idle_seconds) from None

    def heard(self) -> None:
        """Take note of a request."""
        self._under_way += 1
        self._wait_until(None)

    def answered(self, idle_seconds: float) -> None:
        """Take note of an answer, and of how long its model lets callers be silent."""
        self._under_way -= 1
        self._idle_seconds = max(self._idle_seconds, idle_seconds)
        if not self._under_way:
            self._wait_until(asyncio.get_running_loop().time() + self._idle_seconds)

    def _wait_until(self, moment: float | None) -> None:
        if self._scope is not None and not self._scope.expired():
            self._scope.reschedule(moment)
