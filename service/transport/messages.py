"""The messages of calls: read, parsed and written, with bounds on time, and on size before parsing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any, TypeVar

import grpc
from google.protobuf.message import DecodeError, Message

from service.core.errors import Reason, ServiceError
from service.core.time_limits import TimeLimit, TimeLimits
from service.core.written import written
from service.serving.batcher import OnTheWay
from service.transport import wire
from service.transport.active_calls import ActiveCalls, drop
from service.transport.admission import AT_ONCE_BYTES, MESSAGE_FACTOR, Admission, CallLimits, Held
from service.transport.arrivals import Arrivals
from service.transport.context import Context
from service.transport.read_ahead import ReadAhead

Request = TypeVar("Request", bound=Message)

# The part of a connection's bytes that one stream may hold, and that arriving messages may.
_STREAM_SHARE = 4
_READS_AT_ONCE = 8
# Copying this many bytes takes a millisecond: others have the event loop between two steps that each copy a message.
LARGE_BYTES = 2**20


class Messages:
    """The reading and writing of messages for all calls of a server."""

    def __init__(self, calls: ActiveCalls, limits: CallLimits, on_the_way: OnTheWay) -> None:
        self._calls = calls
        self._limits = limits
        self._on_the_way = on_the_way
        self.time_limits = TimeLimits()
        self.admission = Admission(limits)
        share = limits.max_connection_bytes // _STREAM_SHARE // limits.max_message_bytes
        self.arrivals = Arrivals(self.admission, reads_at_once=max(1, min(_READS_AT_ONCE, share)))

    async def read_one(self, request: type[Request], context: Context, held: Held) -> Request:
        """Return the one message of a call.

        Raises:
            ServiceError: there is none, it is too large or malformed, it took too long, or there is no memory for it.

        """
        raw = self.ready(context, held.connection)
        if raw is None:
            self._on_the_way.begin()
            try:
                raw = await self._read_only(context, held)
            finally:
                self._on_the_way.end()
        if raw is None:
            raise ServiceError(Reason.MESSAGE_MISSING)
        message = self.parse(request, raw, held)
        is_large = len(raw) > LARGE_BYTES
        del raw  # many may be at this point at once
        if is_large:
            await asyncio.sleep(0)
        return message

    async def _read_only(self, context: Context, held: Held) -> bytes | None:
        peer = held.connection
        if not self.arrivals.is_busy(peer):
            return await self.read(context, held, self.time_limits.within(self._limits.idle_seconds))
        async with self.arrivals.turn(peer):
            self.admission.require_room(peer, held.client, 0)
            return await self.read(context, held, self.time_limits.within(self._limits.idle_seconds))

    async def requests(
        self,
        request: type[Request],
        context: Context,
        held: Held,
        idle_seconds: Callable[[], float | None],
        *,
        side_by_side: bool = False,
    ) -> AsyncGenerator[Request]:
        """Yield the messages of a stream; with `side_by_side` the next is read before the handler is done with one.

        `idle_seconds` returns how long the next may take to arrive; None stands for any time.

        Raises:
            ServiceError: as `read_one`, or none arrived in time.

        """
        # A stream with more side by side waits for its answers, so that other calls of the connection have room.
        stream_bytes = self._limits.max_connection_bytes // _STREAM_SHARE
        seconds, peer = idle_seconds(), held.connection
        scope = self.time_limits.within(seconds)
        while True:
            raw = self.ready(context, peer)
            if raw is None and (raw := await self.read(context, held, scope)) is None:
                return
            message = self.parse(request, raw, held)
            if len(raw) > LARGE_BYTES:
                await asyncio.sleep(0)
            del raw  # otherwise it would stay until the next one
            yield message
            if not side_by_side:
                held.free(message)
            del message
            if held.size >= stream_bytes:
                await held.lighter_than(stream_bytes)
            if idle_seconds() != seconds:  # the model has a bound of its own
                seconds = idle_seconds()
                scope = self.time_limits.within(seconds)

    async def write_all(
        self,
        context: Context,
        responses: AsyncGenerator[Message | bytes],
        held: Held,
        reader: ReadAhead | None = None,
        *,
        side_by_side: bool = False,
    ) -> None:
        """Write the answers of a stream as they come. A write that fails ends the handler with the same error.

        So does a `reader` that fails meanwhile. With `side_by_side` the handler holds its answers.
        """
        scope = self.time_limits.within(self._limits.idle_seconds)
        if reader is not None:
            reader.writing = scope
        async for response in responses:
            raw = written(response)
            del response  # so that at most one copy is held while the caller doesn't read
            try:
                await self._write(context, raw, None if side_by_side else held, scope)
            except ServiceError as error:
                failure = error if reader is None else reader.failure or error
                await responses.athrow(failure)  # the handler ends with this error, and counts it
            del raw

    async def _write(self, context: Context, raw: bytes, held: Held | None, scope: TimeLimit) -> None:
        # Waits while the caller's flow-control window is full: for ever, if it never reads.
        calls = self._calls
        if calls.is_cutting:
            raise ServiceError(Reason.SERVER_DRAINING)
        if held is not None:
            held.hold_answer(len(raw))  # unless the handler has
        sending, task = calls.sending, None
        try:
            write_now: Callable[[bytes], Awaitable[None] | None] | None = getattr(context, "write_now", None)
            rest = context.write(raw) if write_now is None else write_now(raw)
            if rest is None:  # it is sent, so there is no time to bound
                return
            with scope:
                task = scope.task
                sending.add(task)
                await rest
        except TimeoutError:
            raise ServiceError(Reason.SESSION_IDLE, idle_seconds=self._limits.idle_seconds) from None
        except Exception as error:  # grpc.aio's errors are private; each means that the caller can't be reached
            raise ServiceError(Reason.STREAM_CUT) from error
        finally:
            sending.discard(task)
            if held is not None:
                held.free_answer()

    def bound_delivery(self, raw: bytes, held: Held) -> None:
        """Bound how long the one answer of a call waits for its caller, after our part of the call is over."""
        if len(raw) <= AT_ONCE_BYTES:
            return
        held.free_all()  # the request is gone, and what a handler has reserved for its answer is taken again here
        waiting, task = Held(self.admission, held.connection, held.client), asyncio.current_task()
        waiting.hold(raw, len(raw))
        loop = asyncio.get_running_loop()
        timer = loop.call_later(self._limits.idle_seconds, drop, task)

        def gone(_: object) -> None:
            waiting.free_all()
            timer.cancel()

        # A callback of the call itself would keep it in memory until the next garbage collection.
        if task is not None:
            task.add_done_callback(gone)

    def ready(self, context: Context, peer: str) -> bytes | None:
        """Return the next message if the transport has it already: nothing arrives then that has to be bounded."""
        ready: Callable[[], bytes | None] | None = getattr(context, "ready", None)
        raw = None if ready is None else ready()
        if raw is not None:
            self.arrivals.handed_over(peer, len(raw))
        return raw

    async def read(self, context: Context, held: Held, scope: TimeLimit) -> bytes | None:
        """Wait for the next message within a limit; None at the end of the stream.

        Raises:
            ServiceError: none arrived in time, or too much is arriving.

        """
        raw, cut = None, None
        peer = held.connection
        self.arrivals.begin(peer, held.client, scope)
        try:
            with scope:
                message: Any = await context.read()
                raw = None if message is grpc.aio.EOF else bytes(message)
        except TimeoutError:
            cut = ServiceError(Reason.SESSION_IDLE, idle_seconds=scope.seconds)
        finally:
            cut = self.arrivals.end(peer, scope, len(raw or b"")) or cut
        if cut is not None:
            raise cut
        return raw

    def parse(self, request: type[Request], raw: bytes, held: Held) -> Request:
        """Return a message from its bytes, and let the call hold it.

        Raises:
            ServiceError: it is too large or malformed, or there is no memory for it.

        """
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
