"""Soloist's messages answered with the bare model: what the minimal servers do, and no more."""

from __future__ import annotations

import numpy as np

from bench.peers.servers.model import Array, Model
from soloist.v1 import sequence_inference_pb2 as pb
from soloist.v1 import tensor_pb2

PREDICT = "/soloist.v1.SequenceInference/Predict"
STREAM = "/soloist.v1.SequenceInference/Stream"


def predict(model: Model, request: bytes) -> bytes:
    """Answer one whole sequence."""
    outputs_TK = model.whole(_frames(pb.PredictRequest.FromString(request).frames))
    return pb.PredictResponse(outputs=_tensor(outputs_TK[-1])).SerializeToString()


class Steps:
    """The messages of one stream, each of which has one reply."""

    def __init__(self, model: Model) -> None:
        self._stream = model.stream()

    def answer(self, request: bytes) -> bytes:
        """Answer the next message."""
        message = pb.StreamRequest.FromString(request)
        kind = message.WhichOneof("message")
        if kind == "chunk":
            outputs_K = self._stream.step(_frames(message.chunk.frames))
            return pb.StreamResponse(result=pb.ChunkResult(outputs=_tensor(outputs_K))).SerializeToString()
        if kind == "open":
            return pb.StreamResponse(opened=pb.Opened()).SerializeToString()
        return pb.StreamResponse(closed=pb.Closed()).SerializeToString()


def _frames(tensor: tensor_pb2.Tensor) -> Array:
    return np.frombuffer(tensor.data, np.float32).reshape(tensor.shape)


def _tensor(outputs_K: Array) -> tensor_pb2.Tensor:
    data = outputs_K.tobytes()
    return tensor_pb2.Tensor(data_type=tensor_pb2.DATA_TYPE_FLOAT32, shape=outputs_K.shape, data=data)
