"""The calls of one connection that are in progress. Those that last are watched for their caller's cancelling."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio

    from service.transport.httpunk.call import HttpunkCall

# A call that lasts longer than one to two of these is watched.
_WATCH_SECONDS = 0.01


class CallsInProgress:
    """A set of calls with a clock that ticks while some of them aren't watched."""

    __slots__ = ("_calls", "_loop", "_tick", "_ticking", "_unwatched")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._calls: set[HttpunkCall] = set()
        self._unwatched: set[HttpunkCall] = set()
        self._tick = 0
        self._ticking: asyncio.TimerHandle | None = None

    def __bool__(self) -> bool:
        """Return whether there are any."""
        return bool(self._calls)

    def add(self, call: HttpunkCall) -> None:
        """Add a call."""
        self._calls.add(call)
        self._unwatched.add(call)
        call.tick = self._tick
        if self._ticking is None:
            self._ticking = self._loop.call_later(_WATCH_SECONDS, self._watch)

    def remove(self, call: HttpunkCall) -> None:
        """Remove a call that has ended."""
        call.end()
        self._calls.discard(call)
        self._unwatched.discard(call)

    def abandon(self) -> None:
        """End all of them: their caller can't be reached."""
        for call in list(self._calls):
            call.abandon()

    def _watch(self) -> None:
        for call in [each for each in self._unwatched if each.tick < self._tick]:
            self._unwatched.discard(call)
            call.watch()
        self._tick += 1
        self._ticking = self._loop.call_later(_WATCH_SECONDS, self._watch) if self._unwatched else None
