"""The messages of one stream in order: what each has to be, and those that its caller has sent ahead."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING

from service.core.errors import Reason, ServiceError
from soloist.v1.sequence_inference_pb2 import Chunk, Open, StreamRequest

if TYPE_CHECKING:
    from service.serving.call import Call
    from service.serving.idle_sessions import IdleStream
    from service.serving.session import Session

# How long a closed stream may stay half open, so that a caller who sends more gets an error.
_LINGER_SECONDS = 0.2


class StreamRequests:
    """The messages of one stream. Its owner is the stream's handler."""

    __slots__ = ("_call", "_later", "_requests")

    def __init__(self, call: Call, requests: AsyncIterator[StreamRequest]) -> None:
        self._call = call
        self._requests = requests
        # What was taken ahead and comes next all the same: messages, chunks, and the error of one.
        self._later: deque[StreamRequest | Chunk | ServiceError] = deque()

    async def opening(self) -> Open:
        """Return the first message.

        Raises:
            ServiceError: it is another one, or there is none.

        """
        message = await self._next()
        match message.WhichOneof("message"):
            case "open":
                return message.open
            case None:
                raise ServiceError(Reason.EMPTY_MESSAGE)
            case _:
                raise ServiceError(Reason.STREAM_NOT_OPEN)

    def read_through(self, reading: Callable[[AsyncIterator[StreamRequest]], AsyncIterator[StreamRequest]]) -> None:
        """Read what comes from now on through what `reading` makes of it."""
        self._requests = reading(self._requests)

    async def next_chunk(self, idle: IdleStream[Session]) -> list[Chunk] | None:
        """Wait for the next chunk. It comes in a list, so that it can be removed; None if the caller closes the stream.

        Args:
            idle: the block in which the stream waits.

        Raises:
            ServiceError: another message comes, or none, or SESSION_EVICTED.

        """
        message: StreamRequest | Chunk
        if self._later:
            message = self._taken_back()
        else:
            with idle:
                message = await self._next()
        if isinstance(message, Chunk):
            return [message]
        return None if message.WhichOneof("message") == "close" else [_expect_chunk(message)]

    def chunk_ahead(self) -> Chunk | None:
        """Return the next chunk if it came before the last one was taken, and nothing else comes first."""
        if self._later:
            return None
        try:
            message: StreamRequest | None = self._call.arrived()
        except ServiceError as error:  # its turn comes after the chunks before it
            self._later.append(error)
            return None
        if message is None:
            return None
        if message.WhichOneof("message") != "chunk":
            self._later.append(message)
            return None
        return message.chunk

    def put_back(self, *later: Chunk | ServiceError) -> None:
        """Let chunks that were taken ahead, or the error of one, come next."""
        self._later.extendleft(reversed(later))

    async def expect_nothing(self) -> None:
        """Wait until the caller closes its half.

        Raises:
            ServiceError: STREAM_CLOSED, if another message arrives instead.

        """
        try:
            async with asyncio.timeout(_LINGER_SECONDS):
                await anext(self._requests)
        except (StopAsyncIteration, TimeoutError):
            return
        raise ServiceError(Reason.STREAM_CLOSED)

    def _taken_back(self) -> StreamRequest | Chunk:
        later = self._later.popleft()
        if isinstance(later, ServiceError):
            raise later
        return later

    async def _next(self) -> StreamRequest:
        try:
            return await anext(self._requests)
        except StopAsyncIteration:
            raise ServiceError(Reason.STREAM_CUT) from None


def _expect_chunk(message: StreamRequest) -> Chunk:
    match message.WhichOneof("message"):
        case "chunk":
            return message.chunk
        case "open":
            raise ServiceError(Reason.STREAM_ALREADY_OPEN)
        case _:
            raise ServiceError(Reason.EMPTY_MESSAGE)
