"""What one turn of the event loop brings, from all connections, shares a run; chunks of a stream keep their order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from bench.request_stages.in_memory import MemoryContext, MemoryServer, memory_server
from export.certification import certify_model, read_model
from export.certify import store
from service.certificate import Budget
from service.core.health import API
from service.core.tensors import encode
from soloist.v1 import sequence_inference_pb2 as pb
from tests.graphs import Sums
from tests.servers import TRANSPORTS, running_server
from tests.third_party import BEGUN

CONNECTIONS, CALLS = 8, 25


class GatheredContext(MemoryContext):
    """A call whose messages all arrive when the test says so; keeps the answers."""

    def __init__(self, peer: str, messages: Sequence[bytes], arrived: asyncio.Event) -> None:
        super().__init__(peer, messages)
        self.written: list[bytes] = []
        self._arrived = arrived

    async def read(self) -> Any:
        await self._arrived.wait()
        return await super().read()

    async def write(self, raw: bytes) -> None:
        self.written.append(raw)
        await super().write(raw)


class ReadyContext(GatheredContext):
    """A call whose messages are there when they are asked for, as a transport may have them; an empty one as well."""

    refused = ""

    def ready(self) -> bytes | None:
        return next(self._messages, None)

    async def abort_with_status(self, status: Any) -> None:
        self.refused = status.details
        raise grpc.aio.AbortError


def sums(folder: Path) -> tuple[str, Any]:
    Sums(name="sums").write(folder)
    return "sums", np.ones((3, 2), np.float32)


def certified_third_party(folder: Path) -> tuple[str, Any]:
    path = BEGUN.write(folder)
    model = read_model(path)
    store(path, model, certify_model(path, model, Budget(seconds=60, max_cases=64)))
    return BEGUN.name, BEGUN.frames(np.random.default_rng(1), 3)


@pytest.mark.parametrize("write", [sums, certified_third_party])
async def test_requests_of_all_connections_share_a_run(
    tmp_path: Path, write: Callable[[Path], tuple[str, Any]]
) -> None:
    model, frames = write(tmp_path)
    request = pb.PredictRequest(model=model, frames=encode(frames)).SerializeToString()
    # Ours are certified when they are exported; the graph here is a test's.
    async with memory_server(tmp_path, batch_uncertified=model == "sums") as server:
        handler, arrived = server.handler("Predict", server.parts.serving), asyncio.Event()
        calls = [
            asyncio.create_task(handler(None, GatheredContext(f"ipv4:127.0.0.1:{port}", [request], arrived)))
            for port in range(CONNECTIONS)
        ]
        await asyncio.sleep(0)
        arrived.set()
        answers = [pb.PredictResponse.FromString(raw) for raw in await asyncio.gather(*calls)]
    assert [answer.batch_size for answer in answers] == [CONNECTIONS] * CONNECTIONS
    assert len({answer.outputs.data for answer in answers}) == 1
    assert len({answer.prediction_id for answer in answers}) == CONNECTIONS


async def test_chunks_of_all_connections_share_runs_and_those_of_a_stream_keep_their_order(tmp_path: Path) -> None:
    model, _ = sums(tmp_path)
    chunks = [
        pb.Chunk(first_frame=index, frames=encode(np.full((1, 2), 10.0**index, np.float32))) for index in range(3)
    ]
    sent = [
        pb.StreamRequest(open=pb.Open(model=model)),
        *(pb.StreamRequest(chunk=chunk) for chunk in chunks),
        pb.StreamRequest(close=pb.Close()),
    ]
    messages = [message.SerializeToString() for message in sent]
    async with memory_server(tmp_path, batch_uncertified=True) as server:
        streams = await _streamed(server, messages)
    for answers in streams:
        results = [answer.result for answer in answers if answer.WhichOneof("message") == "result"]
        assert [result.first_frame for result in results] == [0, 1, 2]
        values = [float(np.frombuffer(result.outputs.data, np.float32)[0]) for result in results]
        assert values == sorted(values)
        assert [result.batch_size for result in results] == [CONNECTIONS] * 3


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_connections_share_runs_over_the_network(tmp_path: Path, transport: str) -> None:
    model, frames = sums(tmp_path / "repository")
    request = pb.PredictRequest(model=model, frames=encode(frames)).SerializeToString()
    with running_server(tmp_path / "repository", tmp_path, transport=transport, batch_uncertified=True) as server:
        answers = asyncio.run(_asked_at_once(server.grpc, request))
        runs, rows = server.total("soloist_batch_size_count"), server.total("soloist_batch_size_sum")
    assert rows == len(answers) == CONNECTIONS * CALLS
    assert runs < rows
    assert max(answer.batch_size for answer in answers) > 1
    assert len({answer.outputs.data for answer in answers}) == 1


async def _asked_at_once(address: str, request: bytes) -> list[pb.PredictResponse]:
    own_connection = [("grpc.use_local_subchannel_pool", 1)]
    channels = [grpc.aio.insecure_channel(address, options=own_connection) for _ in range(CONNECTIONS)]
    try:
        methods: list[Any] = [channel.unary_unary(f"/{API}/Predict") for channel in channels]
        return [
            pb.PredictResponse.FromString(raw)
            for raw in await asyncio.gather(*(method(request) for method in methods for _ in range(CALLS)))
        ]
    finally:
        await asyncio.gather(*(channel.close() for channel in channels))


async def _streamed(server: MemoryServer, messages: list[bytes]) -> list[list[pb.StreamResponse]]:
    handler, arrived = server.handler("Stream", server.parts.serving), asyncio.Event()
    contexts = [GatheredContext(f"ipv4:127.0.0.1:{port}", messages, arrived) for port in range(CONNECTIONS)]
    calls = [asyncio.create_task(handler(None, context)) for context in contexts]
    await asyncio.sleep(0)
    arrived.set()
    await asyncio.gather(*calls)
    assert await contexts[0].read() is grpc.aio.EOF
    return [[pb.StreamResponse.FromString(raw) for raw in context.written] for context in contexts]


async def test_messages_that_are_there_are_taken_in_order_and_an_empty_one_is_a_message(tmp_path: Path) -> None:
    model, frames = sums(tmp_path)
    sent = [
        pb.StreamRequest(open=pb.Open(model=model)),
        *(pb.StreamRequest(chunk=pb.Chunk(first_frame=index, frames=encode(frames[:1]))) for index in range(3)),
        pb.StreamRequest(),
    ]
    arrived = asyncio.Event()
    arrived.set()
    context = ReadyContext("ipv4:127.0.0.1:1", [message.SerializeToString() for message in sent], arrived)
    async with memory_server(tmp_path) as server:
        await server.handler("Stream", server.parts.serving)(None, context)
    assert "the message is empty" in context.refused
    answers = [pb.StreamResponse.FromString(raw) for raw in context.written]
    assert [answer.result.first_frame for answer in answers[1:]] == [0, 1, 2]
