"""One sequence in chunks, one at a time, blocking and for asyncio."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from soloist.client.catalogue import AsyncCatalogue, Catalogue
from soloist.client.connection import AsyncConnection, Connection
from soloist.client.errors import SoloistError
from soloist.client.exchange import AsyncExchange, InferRequest, open_async_exchange, open_exchange
from soloist.client.frames import Frames
from soloist.client.predictions import CLOSE, ChunkResult, Inputs, chunk_request
from soloist.client.resume import Place, noted
from soloist.client.sequence import Sequence
from soloist.integers import int64
from soloist.v1 import sequence_inference_pb2 as pb


class Stream(Sequence[InferRequest]):
    """A sequence that is sent piece by piece: made by Client.stream, opened by `with`.

    Leaving the block closes the sequence; leaving it with an exception cancels it, and the server forgets it. One
    thread at a time.
    """

    def __init__(
        self,
        connection: Connection,
        catalogue: Catalogue,
        request: pb.StreamRequest,
        *,
        timeout_seconds: float | None,
        place: Place | None = None,
    ) -> None:
        super().__init__(request, timeout_seconds, place)
        self._connection = connection
        self._catalogue = catalogue

    def send(self, frames: Frames, *, first_frame: int | None = None, inputs: Inputs | None = None) -> ChunkResult:
        """Send the next frames ([time, feature], [time] tokens or text) and wait for their answer.

        `first_frame` is only for sending a chunk again: the server returns the same answer and does not advance.
        `inputs` are as for Client.predict.

        Raises:
            SoloistError: The server refused, which ends the stream; or the client refused (InvalidInputError, before
                anything was sent), which does not.

        """
        exchange = self._live_exchange()
        first = self._frame_count if first_frame is None else int64("first_frame", first_frame)
        array = self._catalogue.convert(frames, self._opened.model, self._opened.version)
        return self._advance(first, self._ask(exchange, chunk_request(first, array, inputs)).result)

    def close(self) -> int:
        """Complete the sequence; return its number of frames as the server counts. `with` does it by itself."""
        exchange = self._live_exchange()
        closed = self._ask(exchange, CLOSE).closed
        self._exchange = None
        exchange.finish()
        return closed.frame_count

    def __enter__(self) -> Self:
        request = self._begin(self._connection.attempts(self._timeout_seconds))
        self._exchange, opened = open_exchange(self._connection, request, self._timeout_seconds)
        self._begun(opened)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self.cancel()
        elif self._exchange is not None:
            self.close()

    def _ask(self, exchange: InferRequest, request: pb.StreamRequest) -> pb.StreamResponse:
        try:
            return noted(self._place, request, exchange.ask(request))
        except SoloistError as error:
            self._exchange = None  # the exchange has ended itself
            exchange.cancel()
            return self._ask_elsewhere(request, self._goes_on(error))
        except BaseException:
            self._exchange = None
            raise

    def _ask_elsewhere(self, request: pb.StreamRequest, place: Place) -> pb.StreamResponse:
        """Continue on a server that can be reached, and ask there."""

        def once(_remaining_seconds: float | None) -> pb.StreamResponse:
            exchange = InferRequest(self._connection.inference, self._remaining_seconds())
            try:
                place.opened(exchange.ask(place.opening()).opened)
                for each in (*place.again(), request):
                    response = noted(place, each, exchange.ask(each))
            except BaseException as error:
                exchange.cancel()
                place.ended(error)
                raise
            self._exchange = exchange
            return response

        return self._connection.resuming(place.resume.retry, self._remaining_seconds()).run(once)


class AsyncStream(Sequence[AsyncExchange]):
    """A sequence that is sent piece by piece: made by AsyncClient.stream, opened by `async with`.

    Leaving the block closes the sequence; leaving it with an exception, cancellation included, cancels it, and the
    server forgets it. One task at a time.
    """

    def __init__(
        self,
        connection: AsyncConnection,
        catalogue: AsyncCatalogue,
        request: pb.StreamRequest,
        *,
        timeout_seconds: float | None,
        place: Place | None = None,
    ) -> None:
        super().__init__(request, timeout_seconds, place)
        self._connection = connection
        self._catalogue = catalogue

    async def send(
        self, frames: Frames, *, first_frame: int | None = None, inputs: Inputs | None = None
    ) -> ChunkResult:
        """Send the next frames and wait for their answer, as Stream.send."""
        exchange = self._live_exchange()
        first = self._frame_count if first_frame is None else int64("first_frame", first_frame)
        array = await self._catalogue.convert(frames, self._opened.model, self._opened.version)
        return self._advance(first, (await self._ask(exchange, chunk_request(first, array, inputs))).result)

    async def close(self) -> int:
        """Complete the sequence; return its number of frames as the server counts. `async with` does it by itself."""
        exchange = self._live_exchange()
        closed = (await self._ask(exchange, CLOSE)).closed
        self._exchange = None
        await exchange.finish()
        return closed.frame_count

    async def __aenter__(self) -> Self:
        request = self._begin(self._connection.attempts(self._timeout_seconds))
        self._exchange, opened = await open_async_exchange(self._connection, request, self._timeout_seconds)
        self._begun(opened)
        self._look_ahead()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self.cancel()
        elif self._exchange is not None:
            await self.close()

    async def _ask(self, exchange: AsyncExchange, request: pb.StreamRequest) -> pb.StreamResponse:
        try:
            response = noted(self._place, request, await exchange.ask(request))
        except SoloistError as error:
            self._exchange = None  # the exchange has ended itself
            exchange.cancel()
            response = await self._ask_elsewhere(request, self._goes_on(error))
        except BaseException:
            self._exchange = None
            raise
        self._look_ahead()
        return response

    async def _ask_elsewhere(self, request: pb.StreamRequest, place: Place) -> pb.StreamResponse:
        async def once(_remaining_seconds: float | None) -> pb.StreamResponse:
            exchange = AsyncExchange(self._connection.inference, self._remaining_seconds())
            try:
                place.opened((await exchange.ask(place.opening())).opened)
                for each in (*place.again(), request):
                    response = noted(place, each, await exchange.ask(each))
            except BaseException as error:
                exchange.cancel()
                place.ended(error)
                raise
            self._exchange = exchange
            return response

        return await self._connection.resuming(place.resume.retry, self._remaining_seconds()).run_async(once)

    def _look_ahead(self) -> None:
        # Nothing else has the last token.
        if self._place is not None and not self._place.resume.every_frames and self._exchange is not None:
            self._exchange.look_ahead()
