"""The position of a sequence and its call: what the blocking stream and that for asyncio share."""

from __future__ import annotations

from typing import Generic, TypeVar

from soloist.client.errors import SoloistError, not_open
from soloist.client.exchange import AsyncExchange, InferRequest
from soloist.client.predictions import ChunkResult, chunk_result
from soloist.client.resume import Place
from soloist.client.retry import Attempts
from soloist.v1 import sequence_inference_pb2 as pb

_Exchange = TypeVar("_Exchange", InferRequest, AsyncExchange)


class Sequence(Generic[_Exchange]):
    """The position of a sequence, and its call while it is open."""

    def __init__(self, request: pb.StreamRequest, timeout_seconds: float | None, place: Place | None) -> None:
        self._request = request
        self._timeout_seconds = timeout_seconds
        self._place = place
        self._bound: Attempts | None = None
        self._exchange: _Exchange | None = None
        self._opened = pb.Opened()
        self._frame_count = 0

    @property
    def frame_count(self) -> int:
        """Return the number of frames so far, which is the first_frame of the next chunk."""
        return self._frame_count

    @property
    def session_id(self) -> str:
        """Return the name of this stream in the server's log."""
        return self._opened.session_id

    @property
    def version(self) -> int:
        """Return the version of the model that answers, from the first chunk to the last."""
        return self._opened.version

    @property
    def resume_token(self) -> bytes:
        """Return the last token of a stream with `resume`, with which another stream continues; empty without one."""
        return self._place.token if self._place is not None else b""

    def cancel(self) -> None:
        """Abandon the sequence: the call ends at once, and the server forgets it."""
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.cancel()

    def _live_exchange(self) -> _Exchange:
        if self._exchange is None:
            raise not_open()
        return self._exchange

    def _begin(self, bound: Attempts) -> pb.StreamRequest:
        """Count the time of the whole stream, and return the message that opens it."""
        if self._timeout_seconds is not None:
            self._bound = bound
        return self._request if self._place is None else self._place.opening()

    def _begun(self, opened: pb.Opened) -> None:
        self._opened, self._frame_count = opened, opened.first_frame
        if self._place is not None:
            self._place.opened(opened)

    def _remaining_seconds(self) -> float | None:
        return None if self._bound is None else self._bound.remaining_seconds()

    def _goes_on(self, error: SoloistError) -> Place:
        """Return where the sequence is, if it can go on after an error; else raise the error."""
        place = self._place
        if place is None or place.is_lost(error):
            raise error
        return place

    def _advance(self, first_frame: int, result: pb.ChunkResult) -> ChunkResult:
        self._frame_count = max(self._frame_count, first_frame + result.frame_count)
        return chunk_result(result, self._opened)
