"""How a stream begins: its call and first message, tried again, and what its frames become; blocking."""

from __future__ import annotations

from soloist.client.catalogue import Catalogue
from soloist.client.connection import Connection
from soloist.client.exchange import InferRequest
from soloist.client.frames import Frames
from soloist.client.tensors import Array
from soloist.v1 import sequence_inference_pb2 as pb


class Opener:
    """Opens streams over one connection; once open, a stream is never tried again."""

    def __init__(self, connection: Connection, catalogue: Catalogue) -> None:
        self._connection = connection
        self._catalogue = catalogue

    def open(self, request: pb.StreamRequest, timeout_seconds: float | None) -> tuple[InferRequest, pb.Opened]:
        """Begin the call and wait until the server has opened the sequence; raises SoloistError.

        `timeout_seconds` bounds the whole stream; without it the connection's own bound holds for the tries to open it.
        """

        def once(_remaining_seconds: float | None) -> tuple[InferRequest, pb.Opened]:
            exchange = InferRequest(self._connection.stub, timeout_seconds)
            return exchange, exchange.ask(request).opened

        return self._connection.attempts(timeout_seconds).run(once)

    def convert(self, frames: Frames, opened: pb.Opened) -> Array:
        """Give the frames in the type of the model that answers the stream."""
        attempts = self._connection.attempts(None)
        return self._catalogue.convert(frames, opened.model, opened.version, attempts)
