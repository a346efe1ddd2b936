"""POST of prepared bodies over HTTP/1.1: one connection, which stays open, one request at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httptools

from bench.raw_client.failure import RawCallError

_CONNECT_SECONDS = 10.0
_OK = 200


def post_request(address: str, target: str, headers: Mapping[str, str], body: bytes) -> bytes:
    """Return a whole request as it goes over the wire."""
    lines = [f"POST {target} HTTP/1.1", f"Host: {address}", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


class HttpConnection(asyncio.Protocol):
    """One connection. As a protocol, it is called by asyncio and by the parser."""

    def __init__(self) -> None:
        self._wire: asyncio.WriteTransport = asyncio.WriteTransport()  # until it is connected
        self._parser = httptools.HttpResponseParser(self)
        self._body: list[bytes] = []
        self._waiting: asyncio.Future[bytes] | None = None

    def ask(self, request: bytes) -> asyncio.Future[bytes]:
        """Send a whole request; the future has the body of its answer, or raises RawCallError."""
        self._waiting = asyncio.get_running_loop().create_future()
        if self._wire.is_closing():
            self._fail("the connection is closed")
        else:
            self._wire.write(request)
        return self._waiting

    def close(self) -> None:
        """Close the connection."""
        self._wire.close()

    # --- as asyncio's protocol ---

    def connection_made(self, transport: Any) -> None:
        """Begin. That of uvloop has the methods of asyncio's, and not its class."""
        self._wire = transport

    def data_received(self, data: bytes) -> None:
        """Parse what has come."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(str(error))
            self._wire.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail what is waited for."""
        self._fail(str(exc or "the server has closed the connection"))

    # --- as the parser's listener ---

    def on_body(self, data: bytes) -> None:
        """Keep a part of the body."""
        self._body.append(data)

    def on_message_complete(self) -> None:
        """Hand the body on."""
        body, self._body = b"".join(self._body), []
        status = self._parser.get_status_code()
        if self._waiting is None or self._waiting.done():
            return
        if status == _OK:
            self._waiting.set_result(body)
        else:
            self._waiting.set_exception(RawCallError(str(status), body[:200].decode(errors="replace")))

    def _fail(self, message: str) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(RawCallError("UNAVAILABLE", message))


@asynccontextmanager
async def http_connection(address: str) -> AsyncIterator[HttpConnection]:
    """Connect to host:port without TLS. Raises RawCallError."""
    host, _, port = address.rpartition(":")
    try:
        async with asyncio.timeout(_CONNECT_SECONDS):
            _, connection = await asyncio.get_running_loop().create_connection(HttpConnection, host, int(port))
    except (OSError, TimeoutError) as error:
        raise RawCallError("UNAVAILABLE", f"{address}: {error}") from error
    try:
        yield connection
    finally:
        connection.close()
