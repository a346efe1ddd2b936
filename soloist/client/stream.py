"""One sequence in chunks, blocking."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Self

from soloist.client import requests
from soloist.client.errors import not_open
from soloist.client.exchange import InferRequest
from soloist.client.frames import Frames
from soloist.client.results import ChunkResult, chunk_result
from soloist.client.tensors import Array
from soloist.v1 import sequence_inference_pb2 as pb


class Stream:
    """A sequence that is sent piece by piece: made by Client.stream, opened by `with`.

    Leaving the block closes the sequence; leaving it with an exception cancels it, and the server forgets it. One
    thread at a time.
    """

    def __init__(
        self, begin: Callable[[], tuple[InferRequest, pb.Opened]], convert: Callable[[Frames, pb.Opened], Array]
    ) -> None:
        self._begin = begin
        self._convert = convert
        self._exchange: InferRequest | None = None
        self._opened = pb.Opened()
        self._frame_count = 0

    @property
    def frame_count(self) -> int:
        """Number of frames the sequence has so far: the first_frame of the next chunk."""
        return self._frame_count

    @property
    def session_id(self) -> str:
        """Name of this stream in the server's log."""
        return self._opened.session_id

    @property
    def version(self) -> int:
        """Version of the model that answers, from the first chunk to the last."""
        return self._opened.version

    def send(
        self, frames: Frames, *, first_frame: int | None = None, inputs: requests.Inputs | None = None
    ) -> ChunkResult:
        """Send the next frames ([time, feature], [time] tokens or text) and wait for their answer.

        `first_frame` is only for sending a chunk again: the server gives it the same answer and does not advance.
        `inputs` are as for Client.predict.
        Raises SoloistError; one of the server's ends the stream, one of the client's own (InvalidInputError before
        anything was sent) does not.
        """
        exchange = self._live_exchange()
        array = self._convert(frames, self._opened)
        first = self._frame_count if first_frame is None else first_frame
        request = requests.chunk_request(first, array, inputs)
        result = self._ask(exchange, request).result
        self._frame_count = max(self._frame_count, first + result.frame_count)
        return chunk_result(result, self._opened)

    def close(self) -> int:
        """Complete the sequence; give its number of frames as the server counts them. `with` does this by itself."""
        exchange = self._live_exchange()
        closed = self._ask(exchange, requests.CLOSE).closed
        self._exchange = None
        exchange.finish()
        return closed.frame_count

    def cancel(self) -> None:
        """Give the sequence up."""
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.cancel()

    def __enter__(self) -> Self:
        self._exchange, self._opened = self._begin()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self.cancel()
        elif self._exchange is not None:
            self.close()

    def _live_exchange(self) -> InferRequest:
        if self._exchange is None:
            raise not_open()
        return self._exchange

    def _ask(self, exchange: InferRequest, request: pb.StreamRequest) -> pb.StreamResponse:
        try:
            return exchange.ask(request)
        except BaseException:
            self._exchange = None  # the exchange has ended itself
            raise
