"""Puts handlers on grpc.aio: bytes to messages and back, each read and write bounded in time, sizes before parsing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import AbstractAsyncContextManager, aclosing
from typing import Any, TypeVar

import grpc
from google.protobuf.message import DecodeError, Message

from service.api.methods import ClientStreamMethod, Method, ServerStreamMethod, StreamMethod, UnaryMethod
from service.core.errors import Reason, ServiceError
from service.serving.call import Call
from service.transport import wire
from service.transport.active_calls import drop
from service.transport.admission import MESSAGE_FACTOR, Admission, CallLimits, Held
from service.transport.arrivals import Arrivals
from service.transport.boundary import Boundary

Request = TypeVar("Request", bound=Message)
Context = grpc.aio.ServicerContext[Any, Any]

# An answer of so many bytes goes out at once, whether or not its caller reads.
_AT_ONCE_BYTES = 2**16
# Of what a connection may hold, a stream takes this part by itself, and messages that are arriving do.
_STREAM_SHARE = 4
_READS_AT_ONCE = 8
# Copying so much takes a millisecond.
_LARGE_BYTES = 2**20


class GrpcAdapter:
    """Builds grpc.aio method handlers.

    They take raw bytes: a message that is too large is refused before it is parsed, and one that can't be parsed gets
    an error of ours instead of grpc.aio's. All of them read their messages themselves, also those of one message,
    which grpc.aio would else wait for without end, and before anything of ours could refuse the call.
    """

    def __init__(self, boundary: Boundary, limits: CallLimits) -> None:
        self._boundary = boundary
        self._limits = limits
        self._admission = Admission(limits)
        share = limits.max_connection_bytes // _STREAM_SHARE // limits.max_message_bytes
        self.arrivals = Arrivals(self._admission, reads_at_once=max(1, min(_READS_AT_ONCE, share)))

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
        async def answer(_: AsyncIterator[bytes], context: Context) -> bytes:
            payload = b""
            with _ABORTED:
                async with self._around(method, context) as call:
                    with self._hold(method, call) as held:
                        request = await self._one(method.request, context, held)
                        response = await method.handler(call, request)
                        del request
                        payload = response.SerializeToString()
                        del response
                        await _pause(payload)
                        self._see_off(context, payload)
            return payload  # the boundary may have aborted the call; then this is never sent

        return grpc.stream_unary_rpc_method_handler(answer)

    def _client_stream(self, method: ClientStreamMethod[Any]) -> grpc.RpcMethodHandler[bytes, bytes]:
        async def answer(_: AsyncIterator[bytes], context: Context) -> bytes:
            payload = b""
            with _ABORTED:
                async with self._around(method, context) as call:
                    with self._hold(method, call) as held:
                        async with aclosing(
                            self._requests(method.request, context, held, self._limits.idle_seconds)
                        ) as requests:
                            payload = (await method.handler(call, requests)).SerializeToString()
            return payload

        return grpc.stream_unary_rpc_method_handler(answer)

    def _stream(self, method: StreamMethod[Any]) -> grpc.RpcMethodHandler[bytes, bytes]:
        idle_seconds = None if method.bounds_silence else self._limits.idle_seconds
        side_by_side = method.side_by_side

        async def answer(_: AsyncIterator[bytes], context: Context) -> None:
            with _ABORTED:
                async with self._around(method, context) as call:
                    with self._hold(method, call) as held:
                        async with (
                            aclosing(
                                self._requests(method.request, context, held, idle_seconds, side_by_side=side_by_side)
                            ) as requests,
                            aclosing(method.handler(call, requests)) as responses,
                        ):
                            await self._answer(context, responses, held)

        return grpc.stream_stream_rpc_method_handler(answer)

    def _server_stream(self, method: ServerStreamMethod[Any]) -> grpc.RpcMethodHandler[bytes, bytes]:
        async def answer(_: AsyncIterator[bytes], context: Context) -> None:
            with _ABORTED:
                async with self._around(method, context) as call:
                    with self._hold(method, call) as held:
                        request = await self._one(method.request, context, held)
                        async with aclosing(method.handler(call, request)) as responses:
                            await self._answer(context, responses, held)

        return grpc.stream_stream_rpc_method_handler(answer)

    def _around(self, method: Method, context: Context) -> AbstractAsyncContextManager[Call]:
        return self._boundary.around(method.name, context, in_drain=method.in_drain)

    def _hold(self, method: Method, call: Call) -> Held:
        """Give a block within the bounds on all calls; what the call holds is given back in the end."""
        held = Held(self._admission, call.peer, of_machines=method.in_drain)
        call.hold, call.done_with = held.hold, held.free
        return held

    async def _one(self, request: type[Request], context: Context, held: Held) -> Request:
        peer = held.connection
        if self.arrivals.is_busy(peer):
            async with self.arrivals.turn(peer):
                self._admission.require_room(peer, 0)
                raw = await self._read(context, peer, self._limits.idle_seconds)
        else:
            raw = await self._read(context, peer, self._limits.idle_seconds)
        if raw is None:
            raise ServiceError(Reason.MESSAGE_MISSING)
        message = self._parse(request, raw, held)
        await _pause(raw)
        return message

    async def _requests(
        self,
        request: type[Request],
        context: Context,
        held: Held,
        idle_seconds: float | None,
        *,
        side_by_side: bool = False,
    ) -> AsyncGenerator[Request]:
        # Who sends more side by side waits for answers, and keeps some of the connection's share for other calls.
        stream_bytes = self._limits.max_connection_bytes // _STREAM_SHARE
        while (raw := await self._read(context, held.connection, idle_seconds)) is not None:
            message = self._parse(request, raw, held)
            await _pause(raw)
            del raw  # else it would stay until the next one
            yield message
            if not side_by_side:
                held.free(message)
            del message
            await held.lighter_than(stream_bytes)

    async def _read(self, context: Context, peer: str, idle_seconds: float | None) -> bytes | None:
        scope, raw, cut = asyncio.timeout(idle_seconds), None, None
        self.arrivals.begin(peer, scope)
        try:
            async with scope:
                message: Any = await context.read()
                raw = None if message is grpc.aio.EOF else bytes(message)
        except TimeoutError:
            cut = ServiceError(Reason.SESSION_IDLE, idle_seconds=idle_seconds)
        finally:
            cut = self.arrivals.end(peer, scope, len(raw or b"")) or cut
        if cut is not None:
            raise cut
        return raw

    async def _answer(self, context: Context, responses: AsyncGenerator[Message], held: Held) -> None:
        async for response in responses:
            raw = response.SerializeToString()
            del response  # while the caller doesn't read, or says nothing, one copy is held or none
            try:
                await self._write(context, raw, held)
            except ServiceError as error:
                await responses.athrow(error)  # the handler ends for this reason, and counts it
            del raw

    async def _write(self, context: Context, raw: bytes, held: Held) -> None:
        # Waits while the caller's window is full: for ever, if it never reads.
        calls = self._boundary.calls
        if calls.is_cutting:
            raise ServiceError(Reason.SERVER_DRAINING)
        held.hold(raw, len(raw))
        task, sending = asyncio.current_task(), calls.sending
        sending.add(task)
        try:
            async with asyncio.timeout(self._limits.idle_seconds):
                await context.write(raw)
        except TimeoutError:
            raise ServiceError(Reason.SESSION_IDLE, idle_seconds=self._limits.idle_seconds) from None
        except Exception as error:  # grpc.aio's own kinds are private; each means that the caller is out of reach
            raise ServiceError(Reason.STREAM_CUT) from error
        finally:
            sending.discard(task)
            held.free(raw)

    def _see_off(self, context: Context, raw: bytes) -> None:
        """Bound how long the one answer of a call waits for its caller, which is after our part of the call is over."""
        if len(raw) <= _AT_ONCE_BYTES:
            return
        waiting, task = Held(self._admission, context.peer()), asyncio.current_task()
        waiting.hold(raw, len(raw))
        loop = asyncio.get_running_loop()
        timer = loop.call_later(self._limits.idle_seconds, drop, task)

        def gone(_: object) -> None:
            waiting.free_all()
            timer.cancel()

        # Not the call's own callbacks: with one, it would stay in memory until the next garbage collection.
        if task is not None:
            task.add_done_callback(gone)

    def _parse(self, request: type[Request], raw: bytes, held: Held) -> Request:
        limits = self._limits
        if len(raw) > limits.max_message_bytes:
            raise ServiceError(
                Reason.MESSAGE_TOO_LARGE, message_bytes=len(raw), max_message_bytes=limits.max_message_bytes
            )
        wire.check(raw, request)
        try:
            message = request.FromString(raw)
        except DecodeError as error:
            raise ServiceError(Reason.MALFORMED_MESSAGE, expected=request.DESCRIPTOR.full_name) from error
        held.hold(message, MESSAGE_FACTOR * len(raw))
        return message


class _Aborted:
    """Ends a handler whose call was aborted.

    grpc.aio keeps the exception with the call, and raises it again by itself. What its traceback holds, the message
    among it, would make a cycle with the call, and stay in memory for long.
    """

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> bool:
        if not isinstance(error, grpc.aio.AbortError):
            return False
        error.__traceback__ = error.__context__ = None
        return True


_ABORTED = _Aborted()


async def _pause(raw: bytes) -> None:
    """Let others have the event loop between two steps that each copy a large message."""
    if len(raw) > _LARGE_BYTES:
        await asyncio.sleep(0)
