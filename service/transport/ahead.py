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
    from collections.abc import AsyncGenerator, Callable

    from service.core.time_limits import TimeLimit
    from service.serving.call import Call
    from service.transport.admission import Held
    from service.transport.context import Context
    from service.transport.messages import Messages

Request = TypeVar("Request", bound=Message)

# A stream that holds this many bytes of messages takes no more ahead.
_MOST_BYTES = 2**20


class Ahead(Generic[Request]):
    """The messages of one stream. `reader` reads ahead where the transport doesn't tell what has arrived."""

    __slots__ = ("_call", "_context", "_held", "_messages", "_ready", "_request", "_taken", "reader")

    def __init__(self, messages: Messages, request: type[Request], context: Context, call: Call, held: Held) -> None:
        """Create it without reading, and let the handler of the call take what has arrived."""
        self._call = call
        call.arrived = self._take
        self._messages, self._request, self._context, self._held = messages, request, context, held
        self._taken: list[Request] = []
        self.reader: ReadAhead | None = None
        self._ready: Callable[[], bytes | None]
        if getattr(context, "ready", None) is None:
            scope = messages.time_limits.within(None)
            self.reader = ReadAhead(held, lambda: messages.read(context, held, scope))
            self._ready = self.reader.ready
        else:
            self._ready = partial(messages.ready, context, held.connection)

    def _take(self) -> Request | None:
        """Return the next message if it has arrived and may be held as well; it is until `requests` goes on.

        Raises:
            ServiceError: it can't be read.

        """
        if self._held.size >= _MOST_BYTES or (raw := self._ready()) is None:
            return None
        message = self._messages.parse(self._request, raw, self._held)
        self._taken.append(message)
        return message

    async def requests(self, idle_seconds: Callable[[], float | None]) -> AsyncGenerator[Request]:
        """Yield the messages, without those that the handler takes; `idle_seconds` as for Messages.requests.

        Raises:
            ServiceError: as Messages.requests.

        """
        messages, held, reader, call = self._messages, self._held, self.reader, self._call
        seconds = idle_seconds()
        scope = messages.time_limits.within(seconds)
        try:
            while True:
                raw = self._ready()
                call.sends_ahead = raw is not None
                if raw is None:
                    is_read = reader is not None and reader.is_reading
                    raw = await (self._read_by_reader(scope) if is_read else messages.read(self._context, held, scope))
                    if raw is None:
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

    async def _read_by_reader(self, scope: TimeLimit) -> bytes | None:
        """Wait for a message that is being read.

        Raises:
            ServiceError: none arrived in time, or it can't be read.

        """
        assert self.reader is not None  # noqa: S101 — its only caller asks first
        try:
            with scope:
                return await self.reader.next()
        except TimeoutError:
            raise ServiceError(Reason.SESSION_IDLE, idle_seconds=scope.seconds) from None

    def _free(self) -> None:
        for message in self._taken:
            self._held.free(message)
        self._taken.clear()
