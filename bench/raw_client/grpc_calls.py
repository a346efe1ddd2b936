"""gRPC calls of prepared messages over httpunk: one connection, any number of calls and streams at once."""

from __future__ import annotations

import asyncio
import functools
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import grpc
from httpunk.asyncio import H2ClientProtocol
from httpunk.exceptions import HTTPunkError
from httpunk.http import HeaderMap
from httpunk.types import Request

from bench.raw_client.failure import RawCallError

if TYPE_CHECKING:
    from httpunk.types import Response

_HEADERS = [("content-type", "application/grpc"), ("te", "trailers")]
_PREFIX = struct.Struct(">BI")
_CODES = {code.value[0]: code.name for code in grpc.StatusCode}
_CONNECT_SECONDS = 10.0


class GrpcConnection:
    """One HTTP/2 connection. Messages are serialised before, and replies are what was in the message's frame."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    async def unary(self, path: str, message: bytes, *, timeout_seconds: float | None = None) -> bytes:
        """Return the reply to one message, `path` being /package.Service/Method. Raises RawCallError.

        The server is told how long it has; whether it keeps to that isn't watched here.
        """
        request = Request("POST", path, headers=_headers(timeout_seconds), body=_framed(message))
        try:
            response = await self._connection.send_request(request)
            received = await response.read()
        except HTTPunkError as error:
            raise RawCallError("UNAVAILABLE", str(error)) from error
        _check(response)
        replies = _unframed(received)
        if len(replies) != 1:
            raise RawCallError("INTERNAL", f"{len(replies)} replies to one message")
        return replies[0]

    @asynccontextmanager
    async def stream(self, path: str, *, timeout_seconds: float | None = None) -> AsyncIterator[GrpcStream]:
        """Open a bidirectional stream; it is cancelled if the block ends before the server has ended it."""
        stream = GrpcStream(self._connection, path, timeout_seconds)
        try:
            yield stream
        finally:
            await stream.cancel()


class GrpcStream:
    """One bidirectional stream: messages go out in order, and replies are read in order."""

    def __init__(self, connection: Any, path: str, timeout_seconds: float | None) -> None:
        self._outgoing: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._response: Response | None = None
        self._parts: AsyncIterator[bytes] | None = None
        self._buffer = bytearray()
        request = Request("POST", path, headers=_headers(timeout_seconds), body=self._body())
        self._opening = asyncio.ensure_future(connection.send_request(request))

    def send(self, message: bytes) -> None:
        """Send one message, without waiting."""
        self._outgoing.put_nowait(message)

    def end(self) -> None:
        """Send no more."""
        self._outgoing.put_nowait(None)

    async def receive(self) -> bytes | None:
        """Return the next reply, None when the server has ended the stream well. Raises RawCallError."""
        buffer = self._buffer
        try:
            if self._parts is None or self._response is None:
                self._response = await self._opening
                self._parts = self._response.aiter_bytes()
            while (reply := _taken(buffer)) is None:
                buffer += await anext(self._parts)
        except StopAsyncIteration:
            _check(self._response)
            return None
        except HTTPunkError as error:
            raise RawCallError("UNAVAILABLE", str(error)) from error
        return reply

    async def cancel(self) -> None:
        """Reset the stream, unless it has ended."""
        if not self._opening.done():
            self._opening.cancel()
        self.end()
        if self._response is not None:
            await self._response.aclose()

    async def _body(self) -> AsyncIterator[bytes]:
        while (message := await self._outgoing.get()) is not None:
            yield _framed(message)


@asynccontextmanager
async def grpc_connection(address: str) -> AsyncIterator[GrpcConnection]:
    """Connect to host:port without TLS. Raises RawCallError."""
    host, _, port = address.rpartition(":")
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(_CONNECT_SECONDS):
            _, protocol = await loop.create_connection(
                lambda: H2ClientProtocol(authority=address), host.strip("[]"), int(port)
            )
            connection = await protocol.ready()
    except (OSError, TimeoutError, HTTPunkError) as error:
        raise RawCallError("UNAVAILABLE", f"{address}: {error}") from error
    try:
        yield GrpcConnection(connection)
    finally:
        await protocol.aclose()


@functools.lru_cache(maxsize=64)
def _headers(timeout_seconds: float | None) -> HeaderMap:
    told = [] if timeout_seconds is None else [("grpc-timeout", f"{max(1, round(timeout_seconds * 1000))}m")]
    return HeaderMap([*_HEADERS, *told])


def _framed(message: bytes) -> bytes:
    return _PREFIX.pack(0, len(message)) + message


def _taken(buffer: bytearray) -> bytes | None:
    """Take one message from the front of a buffer, if it is there whole."""
    if len(buffer) < _PREFIX.size:
        return None
    compressed, size = _PREFIX.unpack_from(buffer)
    if compressed:
        raise RawCallError("INTERNAL", "a compressed reply, which wasn't asked for")
    end = _PREFIX.size + size
    if len(buffer) < end:
        return None
    message = bytes(buffer[_PREFIX.size : end])
    del buffer[:end]
    return message


def _unframed(received: bytes) -> list[bytes]:
    buffer = bytearray(received)
    messages = []
    while (message := _taken(buffer)) is not None:
        messages.append(message)
    return messages


def _check(response: Response | None) -> None:
    """Raise RawCallError unless a call has ended with OK."""
    if response is None:
        return
    fields = response.trailers if response.trailers is not None else response.headers
    status = fields.get("grpc-status")
    if status == b"0":
        return
    if status is None:
        raise RawCallError("UNKNOWN", f"HTTP status {response.status} and no status of gRPC")
    message = unquote((fields.get("grpc-message") or b"").decode())
    raise RawCallError(_CODES.get(int(status), "UNKNOWN"), message, fields.get("grpc-status-details-bin") or b"")
