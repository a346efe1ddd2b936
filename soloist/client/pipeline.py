"""The pipeline of one sequence: several chunks in flight, so that the next is sent before the last is answered."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable

from soloist.client.catalogue import AsyncCatalogue
from soloist.client.errors import SoloistError
from soloist.client.exchange import AsyncExchange
from soloist.client.frames import Frames
from soloist.client.predictions import CLOSE, ChunkResult, Inputs, chunk_request, chunk_result
from soloist.v1 import sequence_inference_pb2 as pb

Chunks = AsyncIterable[Frames] | Iterable[Frames]
# Waits until there is something to send.
Wait = Callable[[], Awaitable[None]]
# Waits, and returns a call that continues the sequence after an error; raises that error if it can't go on.
GoOn = Callable[[SoloistError, Wait], Awaitable[AsyncExchange]]
# Takes note of an answer.
Note = Callable[[pb.StreamRequest, pb.StreamResponse], pb.StreamResponse]


async def _never(error: SoloistError, _: Wait) -> AsyncExchange:
    raise error


class Pipeline:
    """The sender of a stream's chunks as they come; it closes after the last. `inputs` go with every chunk."""

    def __init__(
        self,
        exchange: AsyncExchange,
        opened: pb.Opened,
        catalogue: AsyncCatalogue,
        *,
        ahead: int,
        inputs: Inputs | None = None,
    ) -> None:
        self._exchange = exchange
        self._opened = opened
        self._catalogue = catalogue
        self._inputs = inputs
        self._go_on: GoOn = _never
        self._note: Note = lambda _, response: response
        self._free = asyncio.Semaphore(ahead)
        self._source_error: BaseException | None = None
        # In the order in which they are sent; whoever sends holds the lock.
        self._unanswered: deque[pb.StreamRequest] = deque()
        # Set when there is more of it, or when nothing will come.
        self._news = asyncio.Event()
        self._sending = asyncio.Lock()
        self._sender: asyncio.Task[None] | None = None

    def continued_by(self, go_on: GoOn, note: Note) -> None:
        """Go on with other calls when one has ended."""
        self._go_on, self._note = go_on, note

    async def results(self, chunks: Chunks) -> AsyncGenerator[ChunkResult]:
        """Yield the answers in order. What `chunks` raises is raised after the answers in flight."""
        feeder = asyncio.create_task(self._feed(chunks))
        try:
            while (response := await self._receive()).WhichOneof("message") == "result":
                self._free.release()
                yield chunk_result(response.result, self._opened)
            await self._exchange.finish()
        finally:
            self._exchange.cancel()  # without effect when it is finished
            await _ended(feeder)
            await _ended(self._sender)

    async def _receive(self) -> pb.StreamResponse:
        while True:
            try:
                response = await self._exchange.receive()
                request = self._unanswered[0] if self._unanswered else CLOSE
                response = self._note(request, response)
            except SoloistError as error:
                if self._source_error is not None:
                    raise self._source_error from None
                self._exchange.cancel()
                await self._again(error)
            else:
                if self._unanswered:
                    self._unanswered.popleft()
                return response

    async def _again(self, error: SoloistError) -> None:
        """Continue the sequence with another call, and send again what wasn't answered."""
        await _ended(self._sender)
        exchange = await self._go_on(error, self._something_to_send)
        await self._sending.acquire()  # the call before is over, so nobody holds it for long
        self._exchange = exchange
        # Answers are received meanwhile: neither side has room for all of them. New chunks wait until it is over.
        self._sender = asyncio.create_task(self._resend(tuple(self._unanswered)))
        self._sender.add_done_callback(lambda _: self._sending.release())

    async def _something_to_send(self) -> None:
        """Wait for it. A source may be silent for long, and an open stream takes room at the server."""
        while not self._unanswered:
            if self._source_error is not None:
                raise self._source_error from None
            self._news.clear()
            await self._news.wait()

    async def _resend(self, requests: Iterable[pb.StreamRequest]) -> None:
        for request in requests:
            await self._exchange.send(request)
        if self._source_error is not None:  # that ended the requests of the call before
            await self._exchange.half_close()

    async def _feed(self, chunks: Chunks) -> None:
        try:
            await self._send(chunks)
        except (Exception, asyncio.CancelledError) as error:  # a source may wait for something that is cancelled
            # No close message: the server answers what it has, then treats the sequence as cut off.
            self._source_error = error
            self._news.set()
            await self._exchange.half_close()

    async def _send(self, chunks: Chunks) -> None:
        frame_count = self._opened.first_frame
        async for frames in _each(chunks):
            await self._free.acquire()
            array = await self._catalogue.convert(frames, self._opened.model, self._opened.version)
            await self._send_one(chunk_request(frame_count, array, self._inputs))
            frame_count += array.shape[0] if array.ndim else 0
        await self._send_one(CLOSE)

    async def _send_one(self, request: pb.StreamRequest) -> None:
        async with self._sending:
            self._unanswered.append(request)
            self._news.set()
            await self._exchange.send(request)  # if the call is over, `_receive` finds out


async def _ended(task: asyncio.Task[None] | None) -> None:
    if task is not None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _each(chunks: Chunks) -> AsyncIterator[Frames]:
    if isinstance(chunks, AsyncIterable):
        async for chunk in chunks:
            yield chunk
        return
    for chunk in chunks:
        yield chunk
