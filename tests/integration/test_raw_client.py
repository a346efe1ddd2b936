"""The raw client against a real server: the same answers as the client's, failures by their codes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack
from functools import partial

import numpy as np
import pytest
import uvloop

from bench.load_generator.workload import Array
from bench.raw_client.closed_loop import Conversation, Exchanges, ask_in_turns, step_in_turns
from bench.raw_client.failure import RawCallError
from bench.raw_client.grpc_calls import grpc_connection
from bench.raw_client.http_posts import http_connection, post_request
from bench.recorder import Recorder
from soloist import Client
from soloist.v1 import sequence_inference_pb2 as pb
from soloist.v1 import tensor_pb2
from tests.graphs import Sums
from tests.servers import TRANSPORTS, RunningServer, running_server

PREDICT = "/soloist.v1.SequenceInference/Predict"
STREAM = "/soloist.v1.SequenceInference/Stream"
FRAMES = [np.full((length, 2), length, np.float32) for length in (1, 2, 5)]


@pytest.fixture(scope="module", params=TRANSPORTS)
def sums(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    model, folder = Sums(name="sums"), tmp_path_factory.mktemp("raw")
    model.write(folder / "repository", manifest=model.manifest)
    with running_server(folder / "repository", folder, transport=request.param) as server:
        yield server


def tensor(frames: Array) -> tensor_pb2.Tensor:
    return tensor_pb2.Tensor(
        data_type=tensor_pb2.DATA_TYPE_FLOAT32, shape=list(frames.shape), data=np.ascontiguousarray(frames).tobytes()
    )


def predict(frames: Array, model: str = "sums") -> bytes:
    return pb.PredictRequest(model=model, frames=tensor(frames)).SerializeToString()


def stream_of(frames: Array, first_number: int) -> Conversation:
    steps = [
        pb.StreamRequest(chunk=pb.Chunk(first_frame=index, frames=tensor(frames[index : index + 1])))
        for index in range(len(frames))
    ]
    return Conversation(
        opening=pb.StreamRequest(open=pb.Open(model="sums")).SerializeToString(),
        steps=[step.SerializeToString() for step in steps],
        closing=pb.StreamRequest(close=pb.Close()).SerializeToString(),
        first_number=first_number,
    )


def test_replies_are_those_that_the_client_gets(sums: RunningServer) -> None:
    async def run() -> Exchanges:
        async with grpc_connection(sums.grpc) as one, grpc_connection(sums.grpc) as other:
            asks = [partial(connection.unary, PREDICT) for connection in (one, other, one)]
            return await ask_in_turns(asks, [predict(frames) for frames in FRAMES], seconds=0.2, warm_seconds=0.05)

    exchanges = asyncio.run(run())
    assert not exchanges.failed
    assert {each.number for each in exchanges.answered} == {0, 1, 2}
    with Client(sums.grpc) as client:
        expected = [client.predict("sums", frames).outputs.tobytes() for frames in FRAMES]
    for each in exchanges.answered:
        assert pb.PredictResponse.FromString(each.reply).outputs.data == expected[each.number]
    recorder = Recorder()
    exchanges.record(recorder)
    assert 0 < recorder.sequences.count < len(exchanges.answered)
    assert exchanges.rate > 0


def test_steps_of_streams_are_answered_in_their_order(sums: RunningServer) -> None:
    conversations = [stream_of(FRAMES[2], 0), stream_of(FRAMES[1], 5)]

    async def run() -> Exchanges:
        async with grpc_connection(sums.grpc) as connection:
            return await step_in_turns([partial(connection.stream, STREAM)] * 3, conversations, seconds=0.2)

    exchanges = asyncio.run(run())
    assert not exchanges.failed
    assert {each.number for each in exchanges.answered} == set(range(7))
    with Client(sums.grpc) as client:
        expected = [client.predict("sums", frames[: end + 1]) for frames in FRAMES[:0:-1] for end in range(len(frames))]
    for each in exchanges.answered:
        result = pb.StreamResponse.FromString(each.reply).result
        assert result.outputs.data == expected[each.number].outputs.tobytes()


def test_a_refused_call_has_its_code_and_is_counted(sums: RunningServer) -> None:
    async def run() -> Exchanges:
        async with grpc_connection(sums.grpc) as connection:
            with pytest.raises(RawCallError, match="NOT_FOUND"):
                await connection.unary(PREDICT, predict(FRAMES[0], model="nobody"))
            with pytest.raises(RawCallError, match="UNIMPLEMENTED"):
                await connection.unary("/soloist.v1.SequenceInference/Nothing", b"")
            async with connection.stream(STREAM) as stream:
                stream.send(pb.StreamRequest(open=pb.Open(model="nobody")).SerializeToString())
                with pytest.raises(RawCallError, match="NOT_FOUND"):
                    await stream.receive()
            ask = partial(connection.unary, PREDICT)
            return await ask_in_turns([ask], [predict(FRAMES[0], model="nobody")], seconds=0.05)

    recorder = Recorder()
    asyncio.run(run()).record(recorder)
    assert set(recorder.errors) == {"NOT_FOUND"}


def test_posts_over_http(sums: RunningServer) -> None:
    body = b'{"inputs": [{"name": "frames", "datatype": "FP32", "shape": [1, 1, 2], "data": [1, 2]}]}'
    json = {"Content-Type": "application/json"}

    async def run() -> Exchanges:
        async with AsyncExitStack() as stack:
            connections = [await stack.enter_async_context(http_connection(sums.http)) for _ in range(2)]
            with pytest.raises(RawCallError, match="404"):
                await connections[0].ask(post_request(sums.http, "/v2/models/nobody/infer", json, body))
            asked = post_request(sums.http, "/v2/models/sums/infer", json, body)
            return await ask_in_turns([each.ask for each in connections], [asked], seconds=0.1)

    exchanges = asyncio.run(run())
    assert not exchanges.failed
    assert all(b'"outputs"' in each.reply for each in exchanges.answered)


def test_posts_on_uvloop(sums: RunningServer) -> None:
    async def run() -> bytes:
        async with http_connection(sums.http) as connection:
            return await connection.ask(post_request(sums.http, "/v2/models/sums/infer", {}, b"{"))

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner, pytest.raises(RawCallError, match="400"):
        runner.run(run())


async def test_nobody_listens() -> None:
    with pytest.raises(RawCallError, match="UNAVAILABLE"):
        async with grpc_connection("127.0.0.1:9"):
            pass
    with pytest.raises(RawCallError, match="UNAVAILABLE"):
        async with http_connection("127.0.0.1:9"):
            pass
