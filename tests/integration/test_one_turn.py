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
from service.core.tensors import encode
from soloist.v1 import sequence_inference_pb2 as pb
from tests.graphs import Sums
from tests.third_party import BEGUN

CONNECTIONS = 8


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


async def _streamed(server: MemoryServer, messages: list[bytes]) -> list[list[pb.StreamResponse]]:
    handler, arrived = server.handler("Stream", server.parts.serving), asyncio.Event()
    contexts = [GatheredContext(f"ipv4:127.0.0.1:{port}", messages, arrived) for port in range(CONNECTIONS)]
    calls = [asyncio.create_task(handler(None, context)) for context in contexts]
    await asyncio.sleep(0)
    arrived.set()
    await asyncio.gather(*calls)
    assert await contexts[0].read() is grpc.aio.EOF
    return [[pb.StreamResponse.FromString(raw) for raw in context.written] for context in contexts]
