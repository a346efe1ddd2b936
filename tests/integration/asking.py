"""Owns the raw way to ask: messages a client of ours would never send, errors as the client's own exceptions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import grpc
import numpy as np
import numpy.typing as npt

from soloist.client.errors import from_rpc_error
from soloist.v1 import sequence_inference_pb2 as pb
from soloist.v1 import sequence_inference_pb2_grpc, tensor_pb2

_SERVICE = "/soloist.v1.SequenceInference/"
_TIMEOUT_SECONDS = 30.0
CLOSE = pb.StreamRequest(close=pb.Close())
NOTHING = pb.StreamRequest()


@dataclass(frozen=True, kw_only=True)
class Asker:
    """One channel to one server. What the server refuses comes out as a SoloistError."""

    target: str
    channel: grpc.Channel
    stub: sequence_inference_pb2_grpc.SequenceInferenceStub

    def predict(
        self, frames: tensor_pb2.Tensor, *, model: str = "sums", version: int = 0, timeout: float = _TIMEOUT_SECONDS
    ) -> pb.PredictResponse:
        """Send one whole sequence."""
        with translated():
            request = pb.PredictRequest(model=model, version=version, frames=frames)
            return self.stub.Predict(request, timeout=timeout)

    def converse(
        self, *messages: pb.StreamRequest, timeout: float = _TIMEOUT_SECONDS
    ) -> tuple[list[pb.StreamResponse], grpc.StatusCode]:
        """Send messages and end this half of the stream; return every response and the code."""
        with translated():
            call = self.stub.Stream(iter(messages), timeout=timeout)
            return list(call), call.code()

    def unary_bytes(self, method: str, raw: bytes) -> bytes:
        """Send bytes as they are."""
        with translated():
            ask: Any = self.channel.unary_unary(_SERVICE + method, request_serializer=None, response_deserializer=None)
            answer: bytes = ask(raw, timeout=_TIMEOUT_SECONDS)
            return answer

    def stream_bytes(self, raw: Iterable[bytes]) -> list[bytes]:
        """Send bytes as they are, on a stream."""
        with translated():
            ask: Any = self.channel.stream_stream(
                f"{_SERVICE}Stream", request_serializer=None, response_deserializer=None
            )
            return list(ask(iter(raw), timeout=_TIMEOUT_SECONDS))


@contextmanager
def asking(target: str, *more: tuple[str, int]) -> Iterator[Asker]:
    """Connect to a server (host:port), with `more` options of gRPC's channel."""
    options = [("grpc.max_receive_message_length", -1), ("grpc.use_local_subchannel_pool", 1), *more]
    with grpc.insecure_channel(target, options=options) as channel:
        yield Asker(target=target, channel=channel, stub=sequence_inference_pb2_grpc.SequenceInferenceStub(channel))


@contextmanager
def translated() -> Iterator[None]:
    """Turn grpc's exceptions into the client's."""
    try:
        yield
    except grpc.RpcError as error:
        raise from_rpc_error(error) from None


def tensor(values: npt.ArrayLike, dtype: str = "float32", **changes: Any) -> tensor_pb2.Tensor:
    """Pack numbers; `changes` replace fields of the message, so that it lies."""
    array = np.asarray(values, dtype)
    truth = {"data_type": f"DATA_TYPE_{dtype.upper()}", "shape": array.shape, "data": array.tobytes()}
    return tensor_pb2.Tensor(**{**truth, **changes})


def ones(frames: int, features: int = 2) -> tensor_pb2.Tensor:
    """Return so many frames of ones."""
    return tensor(np.ones((frames, features)))


def opening(model: str = "sums", version: int = 0) -> pb.StreamRequest:
    """Begin a stream."""
    return pb.StreamRequest(open=pb.Open(model=model, version=version))


def chunk(first_frame: int, frames: tensor_pb2.Tensor) -> pb.StreamRequest:
    """Send frames of a stream."""
    return pb.StreamRequest(chunk=pb.Chunk(first_frame=first_frame, frames=frames))
