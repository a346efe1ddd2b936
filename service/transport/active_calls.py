"""The calls that are under way: whether one more may begin, when the last has ended, and how to cut those that stay."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from service.errors import Reason, ServiceError


class ActiveCalls:
    """Admits calls until draining begins. Belongs to the event loop."""

    def __init__(self) -> None:
        # One scope a call that is being answered. It never expires by itself; `cut` makes it expire.
        self._scopes: set[asyncio.Timeout] = set()
        # Those whose answer or status may still be on its way, too.
        self._under_way = 0
        self._draining = False
        self._idle = asyncio.Event()
        self._idle.set()

    def __len__(self) -> int:
        return self._under_way

    @asynccontextmanager
    async def admit(self) -> AsyncIterator[None]:
        """Hold one call: cut it off where it takes too long, and count it until its caller has been told.

        That is so when the task ends which the call is answered in.

        Raises:
            ServiceError: SERVER_DRAINING, when the call comes too late or has been cut.

        """
        if self._draining:
            raise ServiceError(Reason.SERVER_DRAINING)
        scope = asyncio.timeout(None)
        self._scopes.add(scope)
        self._under_way += 1
        self._idle.clear()
        if (task := asyncio.current_task()) is not None:
            # Not the call's own callbacks: with one, grpc.aio keeps a call in memory until the next garbage collection.
            task.add_done_callback(self._ended)
        try:
            async with scope:
                yield
        except TimeoutError:
            if scope.expired():
                raise ServiceError(Reason.SERVER_DRAINING) from None
            raise
        finally:
            self._scopes.discard(scope)

    def _ended(self, _call: object) -> None:
        self._under_way -= 1
        if not self._under_way:
            self._idle.set()

    def drain(self) -> None:
        """Admit no more calls."""
        self._draining = True

    async def idle(self, within_seconds: float) -> bool:
        """Wait until no call is under way; False when some still are after `within_seconds`."""
        try:
            async with asyncio.timeout(within_seconds):
                await self._idle.wait()
        except TimeoutError:
            return False
        return True

    def cut(self) -> None:
        """End every call under way with SERVER_DRAINING."""
        now = asyncio.get_running_loop().time()
        for scope in self._scopes:
            if not scope.expired():
                scope.reschedule(now)
