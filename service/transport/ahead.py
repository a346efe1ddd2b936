"""The messages of a stream whose caller may send ahead: they come one by one, and the handler may take more.

A message is ahead if it arrived before the handler was done with the one before.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Generic, TypeVar

from google.protobuf.message import Message

from service.core.errors import Reason, ServiceError
from service.transport.messages import LARGE_BYTES
from service.transport.read_ahead import ReadAhead

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from service.core.time_limits import TimeLimit
    from service.transport.admission import Held
    from service.transport.context import Context
    from service.transport.messages import Messages

Request = TypeVar("Request", bound=Message)

# A stream that holds this many bytes of messages takes no more ahead.
_MOST_BYTES = 2**20


class Ahead(Generic[Request]):
    """The messages of one stream. `reader` reads ahead where the transport doesn't tell what has arrived."""

    __slots__ = ("_context", "_held", "_is_probable", "_messages", "_ready", "_request", "_taken", "reader")

    def __init__(self, messages: Messages, request: type[Request], context: Context, held: Held) -> None:
        """Create it without reading."""
        self._messages, self._request, self._context, self._held = messages, request, context, held
        self._taken: list[Request] = []
        # Whether the last message was there before it was asked for: then its caller doesn't wait for answers. Other
        # streams aren't looked at, and pay nothing.
        self._is_probable = False
        self.reader: ReadAhead | None = None
        self._ready: Callable[[], bytes | None]
        if getattr(context, "ready", None) is None:
            scope = messages.time_limits.within(None)
            self.reader = ReadAhead(held, lambda: messages.read(context, held.connection, scope))
            self._ready = self.reader.ready
        else:
            self._ready = partial(messages.ready, context, held.connection)

    def take(self) -> Request | None:
        """Return the next message if it has arrived and may be held as well; it is until `requests` goes on.

        Raises:
            ServiceError: it can't be read.

        """
        if not self._is_probable or self._held.size >= _MOST_BYTES or (raw := self._ready()) is None:
            return None
        message = self._messages.parse(self._request, raw, self._held)
        self._taken.append(message)
        return message

    async def requests(self, idle_seconds: Callable[[], float | None]) -> AsyncGenerator[Request]:
        """Yield the messages, without those that `take` returns; `idle_seconds` as for Messages.requests.

        Raises:
            ServiceError: as Messages.requests.

        """
        messages, held, reader = self._messages, self._held, self.reader
        seconds = idle_seconds()
        scope = messages.time_limits.within(seconds)
        try:
            while True:
                raw = self._ready()
                self._is_probable = raw is not None
                if raw is None and (raw := await self._waited_for(scope)) is None:
                    return
                message = messages.parse(self._request, raw, held)
                if len(raw) > LARGE_BYTES:
                    await asyncio.sleep(0)
                del raw  # otherwise it would stay until the next one
                if reader is not None:
                    reader.begin()
                yield message
                held.free(message)
                del message
                if self._taken:
                    self._free()
                if idle_seconds() != seconds:  # the model has a bound of its own
                    seconds = idle_seconds()
                    scope = messages.time_limits.within(seconds)
        finally:
            if reader is not None:
                reader.close()

    def _waited_for(self, scope: TimeLimit) -> Awaitable[bytes | None]:
        reader = self.reader
        if reader is not None and reader.is_reading:
            return _read_by(reader, scope)
        return self._messages.read(self._context, self._held.connection, scope)

    def _free(self) -> None:
        for message in self._taken:
            self._held.free(message)
        self._taken.clear()


async def _read_by(reader: ReadAhead, scope: TimeLimit) -> bytes | None:
    """Wait for a message that is being read.

    Raises:
        ServiceError: none arrived in time, or it can't be read.

    """
    try:
        with scope:
            return await reader.next()
    except TimeoutError:
        raise ServiceError(Reason.SESSION_IDLE, idle_seconds=scope.seconds) from None
