"""The body of a request: read within bounds on bytes and time, or thrown away."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from service.core.errors import Reason, ServiceError
from service.transport.admission import MESSAGE_FACTOR, CallLimits

if TYPE_CHECKING:
    from service.transport.admission import Held
    from service.transport.http.messages import Request

_MAX_UNWANTED_BYTES = 64 * 2**20

Receive = Callable[[], Awaitable[Mapping[str, Any]]]


class Incoming:
    """One body, which is read at most once."""

    def __init__(self, request: Request, receive: Receive) -> None:
        self._receive = receive
        self._headers = request.headers
        self.is_over = request.method in ("GET", "HEAD")
        # A caller that waits for our permission to send its body never gets it if nobody wants the body.
        self._comes = "expect" not in request.headers

    async def read(self, held: Held, limits: CallLimits) -> bytes:
        """Return the body, which `held` accounts for from its first byte on.

        Raises:
            ServiceError: it is too large, took too long, was cut, or there is no memory for it.

        """
        announced = self._headers.get("content-length", "")
        if announced.isdecimal() and int(announced) > limits.max_message_bytes:
            raise _too_large(int(announced), limits)
        body = bytearray()
        try:
            async with asyncio.timeout(limits.idle_seconds):
                while not self.is_over:
                    some = await self._next()
                    held.hold(self, len(some))
                    body += some
                    if len(body) > limits.max_message_bytes:
                        raise _too_large(len(body), limits)
        except TimeoutError:
            self._comes = False
            raise ServiceError(Reason.SESSION_IDLE, idle_seconds=limits.idle_seconds) from None
        held.hold(self, (MESSAGE_FACTOR - 1) * len(body))
        return bytes(body)

    async def discard(self) -> bool:
        """Read what is left, and return whether that was all: an answer is lost if there are unread bytes after it."""
        unwanted = 0
        while not self.is_over and self._comes and unwanted < _MAX_UNWANTED_BYTES:
            unwanted += len(await self._next())
        return self.is_over

    async def _next(self) -> bytes:
        message = await self._receive()
        if message["type"] == "http.disconnect":
            raise ServiceError(Reason.STREAM_CUT)
        self.is_over = not message.get("more_body")
        body: bytes = message["body"]
        return body


def _too_large(size: int, limits: CallLimits) -> ServiceError:
    return ServiceError(Reason.MESSAGE_TOO_LARGE, message_bytes=size, max_message_bytes=limits.max_message_bytes)
