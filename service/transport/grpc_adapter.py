"""Puts handlers on grpc.aio: bytes to messages and back, streams closed explicitly, sizes checked before parsing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import aclosing
from typing import Any, TypeVar

import grpc
from google.protobuf.message import DecodeError, Message

from service.errors import Reason, ServiceError
from service.handlers.api import ClientStreamMethod, Method, ServerStreamMethod, StreamMethod, UnaryMethod
from service.transport.boundary import Boundary

Request = TypeVar("Request", bound=Message)
Context = grpc.aio.ServicerContext[Any, Any]


class GrpcAdapter:
    """Builds grpc.aio method handlers.

    They take raw bytes: a message that is too large is refused before it is parsed, and one that can't be parsed gets
    an error of ours instead of grpc.aio's.
    """

    def __init__(self, boundary: Boundary, *, max_message_bytes: int, idle_seconds: float) -> None:
        """Args: `idle_seconds` bounds how long an answer of a stream waits for its caller to take it."""
        self._boundary = boundary
        self._max_message_bytes = max_message_bytes
        self._idle_seconds = idle_seconds

    def service(self, name: str, methods: Iterable[Method]) -> grpc.GenericRpcHandler:
        """Bind the methods of one service, by its full name."""
        return grpc.method_handlers_generic_handler(name, {method.name: self._bind(method) for method in methods})

    def _bind(self, method: Method) -> grpc.RpcMethodHandler[bytes, bytes]:
        match method:
            case UnaryMethod():
                return self._unary(method)
            case ClientStreamMethod():
                return self._client_stream(method)
            case ServerStreamMethod():
                return self._server_stream(method)
            case StreamMethod():
                return self._stream(method)

    def _unary(self, method: UnaryMethod[Any]) -> grpc.RpcMethodHandler[bytes, bytes]:
        async def answer(raw: bytes, context: Context) -> bytes:
            told = b""
            async with self._boundary.around(method.name, context) as call:
                told = (await method.handler(call, self._parse(method.request, raw))).SerializeToString()
            return told  # noqa: RET504  # the boundary may have aborted the call; then this is never sent

        return grpc.unary_unary_rpc_method_handler(answer)

    def _client_stream(self, method: ClientStreamMethod[Any]) -> grpc.RpcMethodHandler[bytes, bytes]:
        async def answer(_: AsyncIterator[bytes], context: Context) -> bytes:
            async with (
                self._boundary.around(method.name, context) as call,
                aclosing(self._requests(method.request, context)) as requests,
            ):
                return (await method.handler(call, requests)).SerializeToString()
            raise AssertionError  # the boundary has aborted the call

        return grpc.stream_unary_rpc_method_handler(answer)

    def _stream(self, method: StreamMethod[Any]) -> grpc.RpcMethodHandler[bytes, bytes]:
        async def answer(_: AsyncIterator[bytes], context: Context) -> None:
            async with (
                self._boundary.around(method.name, context) as call,
                aclosing(self._requests(method.request, context)) as requests,
                aclosing(method.handler(call, requests)) as responses,
            ):
                async for response in responses:
                    raw = response.SerializeToString()
                    del response  # while the caller doesn't read, or says nothing, one copy is held or none
                    try:
                        await self._write(context, raw)
                    except ServiceError as error:
                        await responses.athrow(error)  # the handler ends for this reason, and counts it
                    del raw

        return grpc.stream_stream_rpc_method_handler(answer)

    def _server_stream(self, method: ServerStreamMethod[Any]) -> grpc.RpcMethodHandler[bytes, bytes]:
        async def answer(raw: bytes, context: Context) -> None:
            async with (
                self._boundary.around(method.name, context) as call,
                aclosing(method.handler(call, self._parse(method.request, raw))) as responses,
            ):
                async for response in responses:
                    await self._write(context, response.SerializeToString())

        return grpc.unary_stream_rpc_method_handler(answer)

    async def _write(self, context: Context, raw: bytes) -> None:
        # Waits while the caller's window is full: for ever, if it never reads.
        try:
            async with asyncio.timeout(self._idle_seconds):
                await context.write(raw)
        except TimeoutError:
            raise ServiceError(Reason.SESSION_IDLE, idle_seconds=self._idle_seconds) from None
        except Exception as error:  # grpc.aio's own kinds are private; each means that the caller is out of reach
            raise ServiceError(Reason.STREAM_CUT) from error

    async def _requests(self, request: type[Request], context: Context) -> AsyncGenerator[Request]:
        while (message := await self._read(request, context)) is not None:
            held = [message]
            del message
            yield held.pop()  # who waits for the next keeps none

    async def _read(self, request: type[Request], context: Context) -> Request | None:
        raw = await context.read()
        return None if raw is grpc.aio.EOF else self._parse(request, raw)

    def _parse(self, request: type[Request], raw: bytes) -> Request:
        if len(raw) > self._max_message_bytes:
            raise ServiceError(
                Reason.MESSAGE_TOO_LARGE, message_bytes=len(raw), max_message_bytes=self._max_message_bytes
            )
        try:
            return request.FromString(raw)
        except DecodeError as error:
            raise ServiceError(Reason.MALFORMED_MESSAGE, expected=request.DESCRIPTOR.full_name) from error
