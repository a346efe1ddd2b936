"""The pipeline of one sequence: several chunks in flight, so that the next is sent before the last is answered."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterable

from soloist.client.catalogue import AsyncCatalogue
from soloist.client.errors import SoloistError
from soloist.client.exchange import AsyncExchange
from soloist.client.frames import Frames
from soloist.client.predictions import CLOSE, ChunkResult, Inputs, chunk_request, chunk_result
from soloist.v1 import sequence_inference_pb2 as pb

Chunks = AsyncIterable[Frames] | Iterable[Frames]


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
        self._free = asyncio.Semaphore(ahead)
        self._source_error: Exception | None = None

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
            feeder.cancel()
            await asyncio.gather(feeder, return_exceptions=True)

    async def _receive(self) -> pb.StreamResponse:
        try:
            return await self._exchange.receive()
        except SoloistError:
            if self._source_error is not None:
                raise self._source_error from None
            raise

    async def _feed(self, chunks: Chunks) -> None:
        try:
            await self._send(chunks)
        except Exception as error:
            # No close message: the server answers what it has, then treats the sequence as cut off.
            self._source_error = error
            await self._exchange.half_close()

    async def _send(self, chunks: Chunks) -> None:
        frame_count = 0
        async for frames in _each(chunks):
            await self._free.acquire()
            array = await self._catalogue.convert(frames, self._opened.model, self._opened.version)
            if not await self._exchange.send(chunk_request(frame_count, array, self._inputs)):
                return
            frame_count += array.shape[0] if array.ndim else 0
        await self._exchange.send(CLOSE)


async def _each(chunks: Chunks) -> AsyncIterator[Frames]:
    if isinstance(chunks, AsyncIterable):
        async for chunk in chunks:
            yield chunk
        return
    for chunk in chunks:
        yield chunk
