"""How a stream begins: its call and first message, tried again, and what its frames become; for asyncio."""

from __future__ import annotations

from soloist.client.aio_catalogue import AsyncCatalogue
from soloist.client.aio_connection import AsyncConnection
from soloist.client.aio_exchange import AsyncExchange
from soloist.client.frames import Frames
from soloist.client.tensors import Array
from soloist.v1 import sequence_inference_pb2 as pb


class AsyncOpener:
    """Opens streams over one connection; once open, a stream is never tried again."""

    def __init__(self, connection: AsyncConnection, catalogue: AsyncCatalogue) -> None:
        self._connection = connection
        self._catalogue = catalogue

    async def open(self, request: pb.StreamRequest, timeout_seconds: float | None) -> tuple[AsyncExchange, pb.Opened]:
        """Begin the call and wait until the server has opened the sequence; raises SoloistError.

        `timeout_seconds` bounds the whole stream; without it the connection's own bound holds for the tries to open it.
        """

        async def once(_remaining_seconds: float | None) -> tuple[AsyncExchange, pb.Opened]:
            exchange = AsyncExchange(self._connection.stub, timeout_seconds)
            return exchange, (await exchange.ask(request)).opened

        return await self._connection.attempts(timeout_seconds).run_async(once)

    async def convert(self, frames: Frames, opened: pb.Opened) -> Array:
        """Give the frames in the type of the model that answers the stream."""
        attempts = self._connection.attempts(None)
        return await self._catalogue.convert(frames, opened.model, opened.version, attempts)
