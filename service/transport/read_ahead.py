"""The reading ahead of a stream, for transports that don't tell what has arrived: a task reads while the handler works.

Most callers wait for each answer, and for them the task would be in vain. So it is tried now and then, ever more rarely
while nothing comes of it, and for every message while something does.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from service.core.errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from service.core.time_limits import TimeLimit
    from service.transport.admission import Held

# What is read before the handler has taken any of it.
_MOST_MESSAGES, _MOST_BYTES = 32, 2**18
# It is tried at least at every so many messages.
_LONGEST_GAP = 16


class ReadAhead:
    """The messages of one stream that were read before they were asked for. Belongs to the task of its handler."""

    __slots__ = (
        "_bytes",
        "_end",
        "_gap",
        "_held",
        "_is_busy",
        "_items",
        "_left",
        "_read",
        "_task",
        "_waiter",
        "is_reading",
        "writing",
    )

    def __init__(self, held: Held, read: Callable[[], Awaitable[bytes | None]]) -> None:
        """Create it without reading.

        Args:
            held: counts the bytes.
            read: returns the next message, None at the end of the stream.

        """
        self._held = held
        self._read = read
        self._items: deque[bytes] = deque()
        self._bytes = 0
        self._end: Exception | bool = False  # how the stream ends after the items: True, or an error
        self._task: asyncio.Task[None] | None = None
        # Whether `next` is to be asked: a task reads, or has read the last of the stream.
        self.is_reading = False
        self._waiter: asyncio.Future[None] | None = None
        self._is_busy = False
        # Of messages between two tries, and to the next. After the first message callers wait for an answer.
        self._gap, self._left = 1, 2
        # The limit on the time of the handler's writes, which ends with the reading if that fails.
        self.writing: TimeLimit | None = None

    @property
    def failure(self) -> Exception | None:
        """Return the error that ended the reading, if any."""
        return self._end if isinstance(self._end, Exception) else None

    def begin(self) -> None:
        """Read ahead if that is worth a try: the handler is busy from now on."""
        self._left -= 1
        if self._left > 0:
            return
        self._is_busy = True
        if self._task is None and self._end is False:
            self.is_reading = True
            self._task = asyncio.get_running_loop().create_task(self._run())

    def ready(self) -> bytes | None:
        """Return the next message if it has been read."""
        if self._items:
            self._gap = self._left = 1
            return self._taken()
        if self._is_busy:
            self._is_busy = False
            self._gap = self._left = min(2 * self._gap, _LONGEST_GAP)
        return None

    async def next(self) -> bytes | None:
        """Wait for the next message; None at the end of the stream.

        Raises:
            ServiceError: it can't be read.

        """
        while not self._items:
            if self._end is True:
                return None
            if self._end is not False:
                raise self._end
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        return self._taken()

    def close(self) -> None:
        """Stop reading."""
        if self._task is not None:
            self._task.cancel()

    def _taken(self) -> bytes:
        raw = self._items.popleft()
        self._bytes -= len(raw)
        self._held.free(raw)
        return raw

    async def _run(self) -> None:
        try:
            while (raw := await self._read()) is not None:
                self._held.hold(raw, len(raw))
                self._items.append(raw)
                self._bytes += len(raw)
                self._wake()
                if not self._is_busy or len(self._items) >= _MOST_MESSAGES or self._bytes >= _MOST_BYTES:
                    return
            self._end = True
        except Exception as error:  # its turn comes after the messages before it
            self._end = error
            # A caller that doesn't read holds up the handler, and what arrives would go on arriving.
            if isinstance(error, ServiceError) and self.writing is not None:
                self.writing.expire()
        finally:
            self._task = None
            self.is_reading = self._end is not False
            self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
