"""soloist.v1.SequenceInference in bytes."""

from __future__ import annotations

from bench.load_generator.wire.connection import Connection
from bench.load_generator.workload import Array
from soloist.client.predictions import CLOSE, chunk_request, open_request, predict_request
from soloist.v1 import model_pb2
from soloist.v1 import sequence_inference_pb2 as pb

_SERVICE = "/soloist.v1.SequenceInference"


class OwnApi:
    """The service of one model."""

    whole_path = f"{_SERVICE}/Predict"
    stream_path = f"{_SERVICE}/Stream"

    def __init__(self, model: str) -> None:
        self._model = model
        self.opening: bytes | None = open_request(model, None, every_frame=False).SerializeToString()
        self.closing: bytes | None = CLOSE.SerializeToString()

    def whole(self, frames: Array) -> bytes:
        """Return a PredictRequest."""
        return predict_request(self._model, None, frames, every_frame=False).SerializeToString()

    def chunk(self, first_frame: int, frames: Array) -> bytes:
        """Return a StreamRequest."""
        return chunk_request(first_frame, frames).SerializeToString()

    def in_stream(self, chunk: bytes, sequence: int, *, first: bool, last: bool) -> bytes:  # noqa: ARG002  # the call is the sequence
        """Return the chunk as it is."""
        return chunk

    def check_chunk(self, answer: bytes) -> None:
        """Do nothing: a refusal ends the call."""

    def whole_bits(self, answer: bytes) -> bytes:
        """Return the outputs and what they say."""
        return _bits(pb.PredictResponse.FromString(answer))

    def chunk_bits(self, answer: bytes) -> bytes:
        """Return the outputs and what they say."""
        return _bits(pb.StreamResponse.FromString(answer).result)


async def own_manifest(connection: Connection, model: str, timeout_seconds: float) -> model_pb2.Model | None:
    """Return what the server knows of a model, None if it can't read its manifest. Raises SoloistError."""
    request = pb.GetModelRequest(model=model).SerializeToString()
    answer = await connection.unary(f"{_SERVICE}/GetModel", request, timeout_seconds)
    response = pb.GetModelResponse.FromString(answer)
    return response.model if response.HasField("model") else None


def _bits(answer: pb.PredictResponse | pb.ChunkResult) -> bytes:
    parts = [answer.outputs, answer.classification, *answer.extra_outputs]
    return b"".join(part.SerializeToString(deterministic=True) for part in parts)
