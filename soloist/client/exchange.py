"""The bidirectional call under a stream, blocking and for asyncio, and how it is opened."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, cast

import grpc

from soloist.client.connection import AsyncConnection, Connection
from soloist.client.errors import SoloistError, from_rpc_error, no_answer, stream_ended
from soloist.v1 import sequence_inference_pb2 as pb

if TYPE_CHECKING:
    from soloist.v1.sequence_inference_pb2_grpc import SequenceInferenceAsyncStub, SequenceInferenceStub


class InferRequest:
    """The call begins with the object and ends with `finish` or `cancel`, or when `receive` raises."""

    def __init__(self, stub: SequenceInferenceStub, timeout_seconds: float | None) -> None:
        self._requests: SimpleQueue[pb.StreamRequest | None] = SimpleQueue()  # None ends the call's requests
        self._call = stub.Stream(iter(self._requests.get, None), timeout=timeout_seconds)

    def ask(self, request: pb.StreamRequest) -> pb.StreamResponse:
        """Send one message and wait for its answer.

        Raises:
            SoloistError: The call has ended.

        """
        self.send(request)
        return self.receive()

    def send(self, request: pb.StreamRequest) -> None:
        """Send one message, without waiting. If the call is over, `receive` raises the reason."""
        self._requests.put(request)

    def receive(self) -> pb.StreamResponse:
        """Wait for the next answer.

        Raises:
            SoloistError: The call has ended.

        """
        response = self._next()
        if not response.HasField("ended"):
            return response
        try:
            self._next()
        except SoloistError as error:
            raise stream_ended(response.ended.resume_token, error) from error
        raise no_answer()

    def _next(self) -> pb.StreamResponse:
        try:
            return next(self._call)
        except grpc.RpcError as error:
            self._requests.put(None)
            raise from_rpc_error(error) from error
        except StopIteration:
            self._requests.put(None)
            raise no_answer() from None
        except BaseException:  # Ctrl-C: a late answer would be taken for that of the next request
            self.cancel()
            raise

    def half_close(self) -> None:
        """Send nothing more. Without a close message before it, the server treats the sequence as cut off."""
        self._requests.put(None)

    def finish(self) -> None:
        """End the call after the last answer, and wait until the server has ended it too."""
        self.half_close()
        with contextlib.suppress(grpc.RpcError):  # every request has been answered
            for _ in self._call:
                pass

    def cancel(self) -> None:
        """End the call at once."""
        self._call.cancel()
        self._requests.put(None)


class AsyncCall:
    """The call begins with the object and ends with `finish` or `cancel`, or when `receive` raises.

    It doesn't look at messages, so with a stub of that kind they may be bytes.
    """

    def __init__(self, stub: SequenceInferenceAsyncStub, timeout_seconds: float | None) -> None:
        self._call = stub.Stream(timeout=timeout_seconds)
        self._error: grpc.aio.AioRpcError | None = None
        self._ahead: asyncio.Task[Any] | None = None
        self._call.add_done_callback(self._keep_error)

    async def ask(self, request: pb.StreamRequest) -> pb.StreamResponse:
        """Send one message and wait for its answer.

        Raises:
            SoloistError: The call has ended.

        """
        await self.send(request)
        return await self.receive()

    async def send(self, request: pb.StreamRequest) -> bool:
        """Send one message; return False if the call is over. Then `receive` raises the reason."""
        try:
            await self._call.write(request)
        except (grpc.RpcError, asyncio.InvalidStateError):
            return False
        return True

    async def receive(self) -> pb.StreamResponse:
        """Wait for the next answer.

        Raises:
            SoloistError: The call has ended.

        """
        ahead, self._ahead = self._ahead, None
        try:
            response = await (self._call.read() if ahead is None else ahead)
        except grpc.RpcError as error:
            error = self._error or error
            raise from_rpc_error(error) from error
        except BaseException:  # cancelled: a late answer would be taken for that of the next request
            self.cancel()
            raise
        if response is grpc.aio.EOF:
            raise no_answer()
        return cast(pb.StreamResponse, response)

    def look_ahead(self) -> None:
        """Begin to wait for the next answer now. grpcio loses one that comes unasked before the call's end."""
        if self._ahead is None:
            self._ahead = asyncio.ensure_future(self._call.read())
            self._ahead.add_done_callback(_heard)

    async def half_close(self) -> None:
        """Send nothing more. Without a close message before it, the server treats the sequence as cut off."""
        try:
            await self._call.done_writing()
        except (grpc.RpcError, asyncio.InvalidStateError):
            return

    async def finish(self) -> None:
        """End the call after the last answer, and wait until the server has ended it too."""
        await self.half_close()
        await self._call.code()

    def cancel(self) -> None:
        """End the call at once."""
        if self._ahead is not None:
            self._ahead.cancel()
        self._call.cancel()

    def _keep_error(self, call: Any) -> None:
        # A message in flight when the server refuses fails later, and grpcio then writes INTERNAL over the
        # status of the server: https://github.com/grpc/grpc/issues/36066. At this point it is still the server's.
        if self._error is None:
            code = _result(call.code())
            if code is not grpc.StatusCode.OK:
                trailing = _result(call.trailing_metadata())
                self._error = grpc.aio.AioRpcError(code, grpc.aio.Metadata(), trailing, _result(call.details()))


class AsyncExchange(AsyncCall):
    """A call of Stream, which the server may end with a token."""

    async def receive(self) -> pb.StreamResponse:
        """Wait for the next answer.

        Raises:
            SoloistError: The call has ended.

        """
        response = await super().receive()
        if not response.HasField("ended"):
            return response
        try:
            await super().receive()
        except SoloistError as error:
            raise stream_ended(response.ended.resume_token, error) from error
        raise no_answer()


def _heard(ahead: asyncio.Task[Any]) -> None:
    """Take note of an error, which is raised again by whoever receives."""
    if not ahead.cancelled():
        ahead.exception()


def _result(of_ended_call: Coroutine[Any, Any, Any]) -> Any:
    """Return what a coroutine of a call that has ended returns: it has nothing to wait for."""
    try:
        of_ended_call.send(None)
    except StopIteration as returned:
        return returned.value
    raise AssertionError("the call has not ended")


def open_exchange(
    connection: Connection, request: pb.StreamRequest, timeout_seconds: float | None
) -> tuple[InferRequest, pb.Opened]:
    """Begin a call and wait until the server has opened the sequence; retried until then, and never later.

    `timeout_seconds` bounds the whole stream; without it the connection's own bound holds for the attempts to open it.

    Raises:
        SoloistError: The server refused to open it, or isn't there.

    """

    def once(remaining_seconds: float | None) -> tuple[InferRequest, pb.Opened]:
        exchange = InferRequest(connection.inference, None if timeout_seconds is None else remaining_seconds)
        return exchange, exchange.ask(request).opened

    return connection.attempts(timeout_seconds).run(once)


async def open_async_exchange(
    connection: AsyncConnection, request: pb.StreamRequest, timeout_seconds: float | None
) -> tuple[AsyncExchange, pb.Opened]:
    """As open_exchange, for asyncio."""

    async def once(remaining_seconds: float | None) -> tuple[AsyncExchange, pb.Opened]:
        exchange = AsyncExchange(connection.inference, None if timeout_seconds is None else remaining_seconds)
        return exchange, (await exchange.ask(request)).opened

    return await connection.attempts(timeout_seconds).run_async(once)
