"""How each server is asked: its requests, where the last output is in its answers, and how callers connect."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial

import numpy as np

from bench.load_generator.workload import Array
from bench.raw_client.closed_loop import Ask, Conversation, OpenStream
from bench.raw_client.grpc_calls import grpc_connection
from bench.raw_client.http_posts import http_connection, post_request
from soloist.json_text import json_text
from soloist.oip import grpc_service_pb2 as oip
from soloist.v1 import sequence_inference_pb2 as pb
from soloist.v1 import tensor_pb2

_V1 = "/soloist.v1.SequenceInference"
STREAM_PATH = f"{_V1}/Stream"
_INFER_PATH = "/inference.GRPCInferenceService/ModelInfer"


@dataclass(frozen=True, kw_only=True)
class Api:
    """A way to ask for whole sequences.

    `encode` takes the model, the address and the frames; `last` an answer and the number of classes.
    """

    over: str
    encode: Callable[[str, str, Array], bytes]
    last: Callable[[bytes, int], bytes]
    grpc_path: str | None = None

    @asynccontextmanager
    async def callers(self, address: str, count: int) -> AsyncIterator[list[Ask]]:
        """Connect: calls of gRPC share a connection, as those of one client do; with HTTP/1.1 each has its own.

        Raises RawCallError.
        """
        async with AsyncExitStack() as stack:
            if self.grpc_path is not None:
                connection = await stack.enter_async_context(grpc_connection(address))
                yield [partial(connection.unary, self.grpc_path)] * count
            else:
                yield [(await stack.enter_async_context(http_connection(address))).ask for _ in range(count)]


@asynccontextmanager
async def streams(address: str, count: int) -> AsyncIterator[list[OpenStream]]:
    """Connect for so many streams at once of our own API, over one connection. Raises RawCallError."""
    async with grpc_connection(address) as connection:
        yield [partial(connection.stream, STREAM_PATH)] * count


def conversations(model: str, sequences: Sequence[Array]) -> list[Conversation]:
    """Return the messages of streams of one-frame chunks."""
    first, found = 0, []
    for frames in sequences:
        steps = [
            pb.StreamRequest(chunk=pb.Chunk(first_frame=index, frames=_tensor(frames[index : index + 1])))
            for index in range(len(frames))
        ]
        found.append(
            Conversation(
                opening=pb.StreamRequest(open=pb.Open(model=model)).SerializeToString(),
                steps=[step.SerializeToString() for step in steps],
                closing=pb.StreamRequest(close=pb.Close()).SerializeToString(),
                first_number=first,
            )
        )
        first += len(steps)
    return found


def last_of_step(reply: bytes, _classes: int) -> bytes:
    """Return the output in the answer to one chunk."""
    return pb.StreamResponse.FromString(reply).result.outputs.data


def _tensor(frames_TC: Array) -> tensor_pb2.Tensor:
    return tensor_pb2.Tensor(
        data_type=tensor_pb2.DATA_TYPE_FLOAT32, shape=frames_TC.shape, data=np.ascontiguousarray(frames_TC).tobytes()
    )


def _own(model: str, _address: str, frames_TC: Array) -> bytes:
    return pb.PredictRequest(model=model, frames=_tensor(frames_TC)).SerializeToString()


def _own_last(reply: bytes, _classes: int) -> bytes:
    return pb.PredictResponse.FromString(reply).outputs.data


def _infer(model: str, _address: str, frames_TC: Array) -> bytes:
    tensor = oip.ModelInferRequest.InferInputTensor(name="frames", datatype="FP32", shape=[1, *frames_TC.shape])
    return oip.ModelInferRequest(
        model_name=model, inputs=[tensor], raw_input_contents=[frames_TC.tobytes()]
    ).SerializeToString()


def _infer_last(reply: bytes, classes: int) -> bytes:
    response = oip.ModelInferResponse.FromString(reply)
    if response.raw_output_contents:
        return response.raw_output_contents[0][-4 * classes :]
    return np.array(response.outputs[0].contents.fp32_contents[-classes:], np.float32).tobytes()


def _rest(model: str, address: str, frames_TC: Array) -> bytes:
    data = frames_TC.tobytes()
    tensor = {
        "name": "frames",
        "datatype": "FP32",
        "shape": [1, *frames_TC.shape],
        "parameters": {"binary_data_size": len(data)},
    }
    head = json_text({"inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()
    headers = {"Content-Type": "application/octet-stream", "Inference-Header-Content-Length": str(len(head))}
    return post_request(address, f"/v2/models/{model}/infer", headers, head + data)


def _raw(target: str, _model: str, address: str, frames_TC: Array) -> bytes:
    return post_request(address, target, {"Content-Type": "application/octet-stream"}, frames_TC.tobytes())


def _end(reply: bytes, classes: int) -> bytes:
    return reply[-4 * classes :]


def _json(_model: str, address: str, frames_TC: Array) -> bytes:
    body = json_text({"frames": frames_TC.tolist()}).encode()
    return post_request(address, "/predict", {"Content-Type": "application/json"}, body)


def _json_last(reply: bytes, _classes: int) -> bytes:
    return np.array(json.loads(reply)["outputs"], np.float32).tobytes()


OWN = Api(over="gRPC, Soloist's API", encode=_own, last=_own_last, grpc_path=f"{_V1}/Predict")
OPEN_INFERENCE = Api(over="gRPC, Open Inference", encode=_infer, last=_infer_last, grpc_path=_INFER_PATH)
REST = Api(over="HTTP, Open Inference, binary", encode=_rest, last=_end)
JSON = Api(over="HTTP, JSON", encode=_json, last=_json_last)
MOSEC = Api(over="HTTP, raw bytes", encode=partial(_raw, "/inference"), last=_end)
RAY = Api(over="HTTP, raw bytes", encode=partial(_raw, "/"), last=_end)
