"""Connections of grpc.aio, the library that most Python callers use."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, cast

import grpc

from bench.load_generator.wire.connection import StreamCall
from soloist.client.channel import open_async_channel
from soloist.client.errors import from_rpc_error
from soloist.client.exchange import AsyncCall
from soloist.client.tls import TLS
from soloist.client.token import Token

# Channels to one server share a connection otherwise.
_OWN_CONNECTION = ("grpc.use_local_subchannel_pool", 1)


class GrpcAioConnection:
    """One channel. Methods are made at their first call."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._channel = channel
        self._unary: dict[str, Any] = {}
        self._stream: dict[str, Any] = {}

    async def unary(self, path: str, message: bytes, timeout_seconds: float) -> bytes:
        """Return the answer to one message."""
        method = self._unary.get(path)
        if method is None:
            method = self._unary[path] = self._channel.unary_unary(path)
        try:
            return cast(bytes, await method(message, timeout=timeout_seconds))
        except grpc.RpcError as error:
            raise from_rpc_error(error) from error

    @asynccontextmanager
    async def stream(self, path: str, timeout_seconds: float) -> AsyncIterator[StreamCall]:
        """Begin a bidirectional call; it is cancelled if the block raises."""
        method = self._stream.get(path)
        if method is None:
            # The client's own call sees which status the server gave, and doesn't look at messages.
            method = self._stream[path] = SimpleNamespace(Stream=self._channel.stream_stream(path))
        exchange = AsyncCall(cast(Any, method), timeout_seconds)
        try:
            yield cast(StreamCall, exchange)
        except BaseException:
            exchange.cancel()
            raise


@asynccontextmanager
async def grpc_aio_connection(
    server: str, tls: TLS | None = None, token: Token | None = None
) -> AsyncIterator[GrpcAioConnection]:
    """Open a channel; it connects at the first call."""
    channel = open_async_channel(server, tls, token, [_OWN_CONNECTION])
    try:
        yield GrpcAioConnection(channel)
    finally:
        await channel.close()
