"""One call over httpunk, in the form of grpc.aio's context: its messages, its deadline, its caller, its end."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NoReturn

import grpc
from httpunk.exceptions import H2Reason, HTTPunkError

from service.core.errors import Reason, ServiceError
from service.transport.boundary import to_grpc_status
from service.transport.httpunk.framing import Deframer, framed, unpacked
from service.transport.httpunk.headers import (
    HEADERS,
    TRAILERS_OF_OK,
    check_metadata,
    metadata_of,
    timeout_seconds,
    trailers_of,
    trailers_only,
)
from service.transport.httpunk.requests import Body, sent_now

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from httpunk.h2.server import SendStream, ServerRequest

    from service.transport.peer_certificate import AuthContext, PeerCertificate

# A month. Longer deadlines are no deadlines, and timers of event loops end somewhere.
_LONGEST_SECONDS = 30 * 86_400.0


class HttpunkCall:
    """One call: a context for the adapter, and what its connection needs to end it."""

    __slots__ = (
        "_body",
        "_certificate",
        "_deadline",
        "_deframer",
        "_encoding",
        "_has_ended",
        "_is_expired",
        "_is_gone",
        "_is_partial",
        "_loop",
        "_max_message_bytes",
        "_peer",
        "_request",
        "_response",
        "_status",
        "_task",
        "_timer",
        "_watch",
        "tick",
    )

    def __init__(
        self,
        request: ServerRequest,
        peer: str,
        certificate: PeerCertificate | None,
        task: asyncio.Task[Any],
        max_message_bytes: int,
    ) -> None:
        self.tick = 0  # of its connection, when it began
        self._request, self._peer, self._certificate, self._task = request, peer, certificate, task
        self._loop = task.get_loop()
        self._max_message_bytes = max_message_bytes
        self._deframer = Deframer(max_message_bytes)
        self._body = Body(request)
        self._encoding: bytes | None = None  # of its messages, unless they are as they are
        self._response: SendStream | None = None
        self._status: grpc.Status | None = None
        self._deadline: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._watch: asyncio.Task[None] | None = None
        self._has_ended = False  # the caller has sent its last message
        self._is_partial = False  # a message has been sent in part
        self._is_expired = self._is_gone = False

    def begin(self) -> None:
        """Read the headers, and end the call at its deadline whatever its caller does.

        Raises:
            ServiceError: METADATA_TOO_LARGE or METADATA_INVALID.

        """
        headers = self._request.headers
        check_metadata(headers)
        encoding = headers.get("grpc-encoding")
        self._encoding = None if encoding == b"identity" else encoding
        seconds = timeout_seconds(headers)
        if seconds is not None:
            self._deadline = self._loop.time() + seconds
            self._timer = self._loop.call_later(min(seconds, _LONGEST_SECONDS), self._expire)

    def watch(self) -> None:
        """Notice from now on when the caller cancels. Costs a task, so calls that are over soon go without."""
        if self._watch is None:
            self._watch = self._loop.create_task(self._await_reset())

    def abandon(self) -> None:
        """End the call because its caller can't be reached."""
        if not self._is_gone:
            self._is_gone = True
            self._task.cancel()

    def end(self) -> None:
        """Stop the timer and the watch; nothing ends the call from here on."""
        if self._timer is not None:
            self._timer.cancel()
        if self._watch is not None:
            self._watch.cancel()

    # --- as grpc.aio's context ---

    def peer(self) -> str:
        """Return the caller's address."""
        return self._peer

    def auth_context(self) -> AuthContext:
        """Return who the caller's certificate says it is."""
        return {} if self._certificate is None else self._certificate.auth_context()

    def time_remaining(self) -> float | None:
        """Return the seconds until the deadline."""
        return None if self._deadline is None else max(0.0, self._deadline - self._loop.time())

    def invocation_metadata(self) -> list[tuple[str, str | bytes]]:
        """Return the caller's metadata."""
        return metadata_of(self._request.headers)

    def ready(self) -> bytes | None:
        """Return the next message if it has arrived, and None if `read` has to be asked."""
        if self._encoding is not None:
            return None
        while (found := self._deframer.take()) is None:
            if self._has_ended or not self._body.has_arrived():
                return None
            self._feed(self._body.chunk_now())
        is_compressed, message = found
        if is_compressed:
            raise ServiceError(Reason.COMPRESSION_UNSUPPORTED, encoding="identity")
        return message

    async def read(self) -> Any:
        """Return the next message, or grpc.aio.EOF. A caller that cancels ends the call instead."""
        while (found := self._deframer.take()) is None:
            if self._has_ended:
                if self._deframer.is_empty:
                    return grpc.aio.EOF
                raise ServiceError(Reason.MALFORMED_MESSAGE, expected="a whole message")
            await self._receive()
        is_compressed, message = found
        if is_compressed:
            encoding = (self._encoding or b"identity").decode("latin-1")
            return await unpacked(message, encoding, self._max_message_bytes)
        return message

    def write_now(self, message: bytes) -> Awaitable[None] | None:
        """Send a message as far as the caller has room for it; return the sending of the rest if there is one."""
        if self._response is None:
            return self.write(message)
        framed_message = framed(message)
        sent = sent_now(self._request, framed_message)
        if sent is None:
            return None
        self._is_partial = sent > 0
        return self._send(framed_message[sent:])

    async def write(self, message: bytes, /) -> None:
        """Send a message; waits while the caller doesn't read."""
        if self._response is None:
            self._response = await self._request.send_response(200, headers=HEADERS)
        await self._send(framed(message))

    async def abort_with_status(self, status: grpc.Status, /) -> NoReturn:
        """Take the status that the call ends with, and end its handler."""
        self._status = status
        raise grpc.aio.AbortError

    # --- the end ---

    async def finish(self, message: bytes | None, within_seconds: float) -> None:
        """Send the status, and before it the only message of the answer, if there is one.

        A caller that doesn't take it in time is cut off.
        """
        if self._status is not None:
            await self._send_status(self._status)
        elif message is None:
            if self._response is None:
                self._response = await self._request.send_response(200, headers=HEADERS)
            await self._response.send_trailers(TRAILERS_OF_OK)
        else:
            self._is_partial = True
            too_late = self._loop.call_later(within_seconds, self.abandon)
            body = framed(message)
            del message  # the caller may take its time, and one copy is enough to wait for it
            try:
                await self._request.respond(200, headers=HEADERS, body=body, trailers=TRAILERS_OF_OK)
            finally:
                too_late.cancel()

    async def interrupted(self) -> bool:
        """Tell the caller why its call was cancelled; return whether that was at its deadline, which is no failure."""
        if self._is_expired and not self._is_gone:
            self._task.uncancel()
            await self._send_status(to_grpc_status(ServiceError(Reason.DEADLINE_EXCEEDED)))
            return True
        await self._request.reset(int(H2Reason.CANCEL))
        return False

    async def refuse(self, error: ServiceError) -> None:
        """Answer with an error alone."""
        await self._send_status(to_grpc_status(error))

    async def _send(self, data: bytes) -> None:
        assert self._response is not None  # noqa: S101  # `write` has begun it
        self._is_partial = True
        await self._response.send_data(data)
        self._is_partial = False

    async def _send_status(self, status: grpc.Status) -> None:
        if self._is_partial:  # trailers after half a message would make it look whole
            await self._request.reset(int(H2Reason.CANCEL))
        elif self._response is None:
            await self._request.respond(200, headers=trailers_only(status))
        else:
            await self._response.send_trailers(trailers_of(status))

    async def _receive(self) -> None:
        try:
            self._feed(await self._body.chunk())
        except HTTPunkError:  # cancelled, not half closed
            if self._is_gone:
                raise asyncio.CancelledError from None
            self.abandon()
            await self._loop.create_future()  # until the cancellation arrives, here or in the task of the call

    def _feed(self, chunk: bytes | None) -> None:
        if chunk is None:
            self._has_ended = True
        else:
            self._deframer.feed(chunk)

    async def _await_reset(self) -> None:
        with suppress(HTTPunkError):  # the connection is lost
            await self._request.reset_received()
        self.abandon()

    def _expire(self) -> None:
        self._is_expired = True
        self._task.cancel()
