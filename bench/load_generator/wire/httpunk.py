"""Connections of httpunk, which take a fraction of the processor time and so can saturate a server."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
from google.rpc import error_details_pb2, status_pb2

from bench.load_generator.wire.connection import StreamCall
from bench.raw_client.failure import RawCallError
from bench.raw_client.grpc_calls import GrpcConnection, GrpcStream, grpc_connection
from soloist import SoloistError
from soloist.client.errors import no_answer

# The server ends a call whose time is over, and its status should come first.
_GRACE_SECONDS = 0.5


class HttpunkConnection:
    """One connection."""

    def __init__(self, connection: GrpcConnection) -> None:
        self._connection = connection

    async def unary(self, path: str, message: bytes, timeout_seconds: float) -> bytes:
        """Return the answer to one message."""
        try:
            async with asyncio.timeout(timeout_seconds + _GRACE_SECONDS):
                return await self._connection.unary(path, message, timeout_seconds=timeout_seconds)
        except RawCallError as error:
            raise _error(error) from error
        except TimeoutError as error:
            raise _too_late() from error

    @asynccontextmanager
    async def stream(self, path: str, timeout_seconds: float) -> AsyncIterator[StreamCall]:
        """Begin a bidirectional call; it is cancelled if the block raises."""
        try:
            async with (
                asyncio.timeout(timeout_seconds + _GRACE_SECONDS),
                self._connection.stream(path, timeout_seconds=timeout_seconds) as stream,
            ):
                yield _HttpunkStream(stream)
        except TimeoutError as error:
            raise _too_late() from error


class _HttpunkStream:
    def __init__(self, stream: GrpcStream) -> None:
        self._stream = stream

    async def ask(self, message: bytes) -> bytes:
        self._stream.send(message)
        return await self.receive()

    async def send(self, message: bytes) -> None:
        self._stream.send(message)

    async def receive(self) -> bytes:
        try:
            answer = await self._stream.receive()
        except RawCallError as error:
            raise _error(error) from error
        if answer is None:
            raise no_answer()
        return answer

    async def finish(self) -> None:
        self._stream.end()
        try:
            while await self._stream.receive() is not None:
                pass
        except RawCallError as error:
            raise _error(error) from error


@asynccontextmanager
async def httpunk_connection(server: str) -> AsyncIterator[HttpunkConnection]:
    """Connect to host:port. Raises SoloistError."""
    try:
        async with grpc_connection(server) as connection:
            yield HttpunkConnection(connection)
    except RawCallError as error:
        raise _error(error) from error


def _error(error: RawCallError) -> SoloistError:
    """Return a failure with the reason that our server gives, or else its code for one."""
    reason, status, info = error.code, status_pb2.Status(), error_details_pb2.ErrorInfo()
    status.ParseFromString(base64.b64decode(error.details + b"=" * (-len(error.details) % 4)))
    if any(detail.Unpack(info) for detail in status.details):
        reason = info.reason
    return SoloistError(error.message, code=grpc.StatusCode[error.code], reason=reason)


def _too_late() -> SoloistError:
    code = grpc.StatusCode.DEADLINE_EXCEEDED
    return SoloistError("The time allowed for the call is over.", code=code, reason=code.name)
