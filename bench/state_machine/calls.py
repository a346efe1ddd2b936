"""Calls over a network that does as it is told: messages wait, answers aren't read, callers cancel and vanish."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, NoReturn

import grpc
from google.rpc import error_details_pb2, status_pb2

from bench.state_machine.virtual_time import Moment, VirtualLoop

# What came of a call: the name of its code, and the reason if there is one.
Outcome = tuple[str, str]
OK: Outcome = ("OK", "")
CANCELLED: Outcome = ("CANCELLED", "")


class VirtualCall:
    """One call. Stands for grpc.aio's context, and for its caller.

    `answers` are those that the caller has taken, `outcome` is how it ended, None before.
    """

    def __init__(self, loop: VirtualLoop, peer: str, *, seconds: float | None = None, shows_cancels: bool) -> None:
        """Create a call that hasn't begun.

        Args:
            loop: the loop that answers it.
            peer: its caller.
            seconds: its time limit.
            shows_cancels: whether its transport cancels the handler when the caller cancels. Otherwise that looks like
                the end of the caller's messages.

        """
        self._loop = loop
        self._peer = peer
        self.ends_at = None if seconds is None else loop.time() + seconds
        self._shows_cancels = shows_cancels
        self._messages: deque[bytes | None] = deque()
        self._wanted: asyncio.Future[None] | None = None
        self._taken: asyncio.Future[None] | None = None
        self._takes = True
        self.is_gone = False
        self.outcome: Outcome | None = None
        self.ended_at = 0.0
        # When the server has begun to wait for a message; None while it doesn't.
        self.reading_since: Moment | None = None
        self.on_answer: Callable[[bytes], None] = lambda _: None
        self.on_end: Callable[[], None] = lambda: None
        self.task: asyncio.Task[Any] | None = None
        self._status: Outcome | None = None

    @property
    def is_stuck(self) -> bool:
        """Return whether the server waits for the caller to read an answer. gRPC takes no status meanwhile."""
        return self._taken is not None and not self._taken.done()

    @property
    def unread(self) -> int:
        """Return how many messages the server hasn't read."""
        return len(self._messages)

    def begin(self, answer: Callable[[Any, Any], Awaitable[bytes | None]]) -> None:
        """Let a server answer the call."""
        self.task = self._loop.create_task(self._answered(answer))
        self.task.add_done_callback(lambda _: self._end(CANCELLED))  # if it was cancelled before it began
        if self.ends_at is not None:
            self._loop.call_at(self.ends_at, self.cancel)

    def send(self, message: bytes | None) -> None:
        """Send a message, or the end of all messages."""
        self._messages.append(message)
        _wake(self._wanted)

    def take_answers(self, takes: bool) -> None:
        """Begin or cease to read answers."""
        self._takes = takes
        if takes:
            _wake(self._taken)

    def cancel(self) -> None:
        """Leave, as a caller does who cancels, whose time is over, or whose connection breaks."""
        if self.outcome is not None or self.is_gone:
            return
        self.is_gone = True
        if self._shows_cancels and self.task is not None:
            self.task.cancel()
        else:
            self._messages.clear()
            self.send(None)
            _wake(self._taken)

    def peer(self) -> str:
        """Return the caller's address."""
        return self._peer

    def time_remaining(self) -> float | None:
        """Return the seconds until the deadline."""
        return None if self.ends_at is None else self.ends_at - self._loop.time()

    def invocation_metadata(self) -> Iterable[tuple[str, str | bytes]]:
        """Return no metadata."""
        return ()

    async def read(self) -> Any:
        """Return the next message."""
        self.reading_since = self._loop.moment()
        try:
            while not self._messages:
                self._wanted = self._loop.create_future()
                await self._wanted
        finally:
            self.reading_since = None
        message = self._messages.popleft()
        if message is None:
            self._messages.append(None)
            return grpc.aio.EOF
        return message

    async def write(self, message: bytes, /) -> None:
        """Send an answer. Waits while the caller doesn't read."""
        while not (self._takes or self.is_gone):
            self._taken = self._loop.create_future()
            await self._taken
        if self.is_gone:
            raise RuntimeError("the caller has left")
        self.on_answer(message)

    async def abort_with_status(self, status: grpc.Status, /) -> NoReturn:
        """End the call with a status."""
        found = status_pb2.Status.FromString(dict(status.trailing_metadata or ())["grpc-status-details-bin"])
        info = error_details_pb2.ErrorInfo()
        found.details[0].Unpack(info)
        self._status = (status.code.name, info.reason)
        raise grpc.aio.AbortError

    async def _answered(self, answer: Callable[[Any, Any], Awaitable[bytes | None]]) -> None:
        """Answer, and tell of the end in the same turn of the loop in which the server is done."""
        outcome = CANCELLED
        try:
            payload = await answer(None, self)
            outcome = OK
            if payload is not None and self._status is None:
                self.on_answer(payload)
        except Exception as error:
            outcome = ("UNKNOWN", repr(error))
        finally:
            self._end(self._status or outcome)

    def _end(self, outcome: Outcome) -> None:
        if self.outcome is None:
            self.outcome, self.ended_at = outcome, self._loop.time()
            self.on_end()


def _wake(waiting: asyncio.Future[None] | None) -> None:
    if waiting is not None and not waiting.done():
        waiting.set_result(None)
