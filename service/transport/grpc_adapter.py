"""The handlers as transports call them: raw bytes in, raw bytes out, one coroutine for every kind of call."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import aclosing
from functools import partial
from typing import Any

import grpc

from service.api.methods import ClientStreamMethod, Method, ServerStreamMethod, StreamMethod, UnaryMethod
from service.core.written import written
from service.serving.batcher import OnTheWay
from service.serving.call import Call
from service.transport.admission import AT_ONCE_BYTES, CallLimits, Held
from service.transport.ahead import Ahead
from service.transport.boundary import Around, Boundary
from service.transport.context import Context
from service.transport.guards import OPEN, Guard, Guards
from service.transport.messages import LARGE_BYTES, Messages

# Answers one call, and returns the only message of its answer, or None if it has written its answers itself. The first
# argument is there for grpc.aio, and isn't used.
Answer = Callable[[Any, Context], Awaitable[bytes | None]]


class GrpcAdapter:
    """A builder of answers to calls, and of grpc.aio's method handlers with them.

    They take raw bytes: a message that is too large is refused before it is parsed, and one that can't be parsed gets
    our error instead of grpc.aio's. They all read their messages themselves, even a single one: grpc.aio would wait for
    it without end, before our code could refuse the call.
    """

    def __init__(self, boundary: Boundary, limits: CallLimits, on_the_way: OnTheWay) -> None:
        self._boundary = boundary
        self._limits = limits
        self._messages = Messages(boundary.calls, limits, on_the_way)
        self.arrivals = self._messages.arrivals
        self.admission = self._messages.admission

    def service(self, name: str, methods: Iterable[Method], guards: Guards = OPEN) -> grpc.GenericRpcHandler:
        """Bind the methods of one service, by its full name, for grpc.aio."""
        bound = {method.name: self._bind(method, guards) for method in methods}
        return grpc.method_handlers_generic_handler(name, bound)

    def answers(self, name: str, methods: Iterable[Method], guards: Guards = OPEN) -> dict[str, Answer]:
        """Return the answers of one service, by the paths of its methods."""
        return {f"/{name}/{method.name}": self._answer(method, guards) for method in methods}

    def _bind(self, method: Method, guards: Guards) -> grpc.RpcMethodHandler[bytes, bytes]:
        answer: Any = self._answer(method, guards)
        if isinstance(method, UnaryMethod | ClientStreamMethod):
            return grpc.stream_unary_rpc_method_handler(answer)
        return grpc.stream_stream_rpc_method_handler(answer)

    def _answer(self, method: Method, guards: Guards) -> Answer:
        guard = guards.of(method.name, method.need)
        match method:
            case UnaryMethod():
                return self._unary(method, guard)
            case ClientStreamMethod():
                return self._client_stream(method, guard)
            case ServerStreamMethod():
                return self._server_stream(method, guard)
            case StreamMethod():
                return self._stream(method, guard)

    def _unary(self, method: UnaryMethod[Any], guard: Guard | None) -> Answer:
        async def answer(_: object, context: Context) -> bytes:
            payload = b""
            try:
                async with self._around(method, context, guard) as call:
                    with self._hold(method, call) as held:
                        # The handler alone has the request, and frees it when it has what it needs.
                        response = await method.handler(
                            call, await self._messages.read_one(method.request, context, held)
                        )
                        payload = written(response)
                        del response
                        if len(payload) > LARGE_BYTES:
                            await asyncio.sleep(0)
                        self._messages.bound_delivery(payload, held)
            except grpc.aio.AbortError as error:
                _let_go(error)
            return payload  # never sent if the boundary has aborted the call

        return answer

    def _client_stream(self, method: ClientStreamMethod[Any], guard: Guard | None) -> Answer:
        async def answer(_: object, context: Context) -> bytes:
            payload = b""
            try:
                async with self._around(method, context, guard) as call:
                    with self._hold(method, call) as held:
                        async with aclosing(
                            self._messages.requests(method.request, context, held, lambda: self._limits.idle_seconds)
                        ) as requests:
                            payload = written(await method.handler(call, requests))
            except grpc.aio.AbortError as error:
                _let_go(error)
            return payload

        return answer

    def _stream(self, method: StreamMethod[Any], guard: Guard | None) -> Answer:
        usual_seconds = None if method.bounds_silence else self._limits.idle_seconds
        messages = self._messages

        async def answer(_: object, context: Context) -> None:
            try:
                async with self._around(method, context, guard) as call:
                    with self._hold(method, call) as held:

                        def idle_seconds() -> float | None:
                            return usual_seconds and (call.idle_seconds or usual_seconds)

                        reader = None
                        if method.takes_ahead:
                            ahead = Ahead(messages, method.request, context, call, held)
                            reader, incoming = ahead.reader, ahead.requests(idle_seconds)
                        else:
                            incoming = messages.requests(
                                method.request, context, held, idle_seconds, side_by_side=method.side_by_side
                            )
                        async with (
                            aclosing(incoming) as requests,
                            aclosing(method.handler(call, requests)) as responses,
                        ):
                            await messages.write_all(context, responses, held, reader, side_by_side=method.side_by_side)
            except grpc.aio.AbortError as error:
                _let_go(error)

        return answer

    def _server_stream(self, method: ServerStreamMethod[Any], guard: Guard | None) -> Answer:
        async def answer(_: object, context: Context) -> None:
            try:
                async with self._around(method, context, guard) as call:
                    with self._hold(method, call) as held:
                        request = await self._messages.read_one(method.request, context, held)
                        async with aclosing(method.handler(call, request)) as responses:
                            await self._messages.write_all(context, responses, held)
            except grpc.aio.AbortError as error:
                _let_go(error)

        return answer

    def _around(self, method: Method, context: Context, guard: Guard | None) -> Around:
        return self._boundary.around(method.name, context, in_drain=method.in_drain, guard=guard)

    def _hold(self, method: Method, call: Call) -> Held:
        """Return a block within the bounds on all calls; at its end all that the call holds is given back."""
        held = Held(self._messages.admission, call.peer, call.client, of_machines=method.in_drain)
        if isinstance(method, StreamMethod):
            if method.side_by_side:
                call.hold, call.done_with = held.hold, held.free
            else:
                call.hold_answer = held.hold_answer
        elif isinstance(method, UnaryMethod):
            call.hold_answer = partial(held.hold_answer, uncounted=AT_ONCE_BYTES)
            call.free_request = held.free_all
        return held


def _let_go(error: grpc.aio.AbortError) -> None:
    """Free what the exception that ends a handler whose call was aborted refers to.

    grpc.aio keeps the exception with the call, and raises it again by itself. Its traceback, which holds the message,
    would form a cycle with the call, and stay in memory for long.
    """
    error.__traceback__ = error.__context__ = None
