"""The calls that are measured: whole sequences and streams, so many in flight, without a network or over one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import grpc

from bench.load_generator.workload import Array
from bench.request_stages.in_memory import MemoryContext
from service.core.health import API
from service.core.tensors import encode
from soloist.v1 import sequence_inference_pb2 as pb


@dataclass(frozen=True, kw_only=True)
class Traffic:
    """One kind of calls. `calls` are their messages; each counts as `units` requests: 1, or its number of chunks."""

    name: str
    method: str
    calls: list[list[bytes]]
    units: int
    rows: list[Array]

    def messages(self, number: int) -> list[bytes]:
        """Return the messages of one call."""
        return self.calls[number % len(self.calls)]


def whole_sequences(model: str, sequences: Sequence[Array]) -> Traffic:
    """Return calls of Predict."""
    requests = [pb.PredictRequest(model=model, frames=encode(frames)) for frames in sequences]
    calls = [[request.SerializeToString()] for request in requests]
    return Traffic(name="unary", method="Predict", calls=calls, units=1, rows=list(sequences))


def streams(model: str, sequences: Sequence[Array], *, chunks: int) -> Traffic:
    """Return streams of `chunks` chunks of one frame."""
    steps = [frames[index : index + 1] for frames in sequences for index in range(len(frames))]
    calls = []
    for first in range(len(sequences)):
        sent = [pb.StreamRequest(open=pb.Open(model=model))]
        for index in range(chunks):
            frames = encode(steps[(first * chunks + index) % len(steps)])
            sent.append(pb.StreamRequest(chunk=pb.Chunk(first_frame=index, frames=frames)))
        sent.append(pb.StreamRequest(close=pb.Close()))
        calls.append([message.SerializeToString() for message in sent])
    return Traffic(name="chunk", method="Stream", calls=calls, units=chunks, rows=steps)


async def in_flight(call: Callable[[int], Awaitable[object]], count: int, at_once: int) -> None:
    """Make `count` calls, so many at once; each gets its number, and a task of its own, as under grpc.aio."""
    numbers = iter(range(count))

    async def one_after_the_other() -> None:
        for number in numbers:
            await asyncio.create_task(_awaited(call, number))

    await asyncio.gather(*(one_after_the_other() for _ in range(at_once)))


async def _awaited(call: Callable[[int], Awaitable[object]], number: int) -> None:
    await call(number)


def from_memory(handler: Callable[[Any, Any], Awaitable[object]], traffic: Traffic) -> Callable[[int], Awaitable[None]]:
    """Return a call of a handler whose messages come from memory."""

    async def call(number: int) -> None:
        await handler(None, MemoryContext(f"ipv4:127.0.0.1:{number % 8}", traffic.messages(number)))

    return call


async def nothing(_requests: Any, context: MemoryContext) -> None:
    """Read and answer every message with nothing: what the measuring itself takes."""
    while await context.read() is not grpc.aio.EOF:
        await context.write(b"")


def over_network(channel: grpc.aio.Channel, traffic: Traffic) -> Callable[[int], Awaitable[None]]:
    """Return a call of a server."""
    path = f"/{API}/{traffic.method}"

    async def unary(number: int) -> None:
        method: Any = channel.unary_unary(path)
        await method(traffic.messages(number)[0])

    async def stream(number: int) -> None:
        call: Any = channel.stream_stream(path)()
        for message in traffic.messages(number):
            await call.write(message)
            await call.read()
        await call.done_writing()

    return unary if traffic.units == 1 else stream


def processor_us(began: float, units: int) -> float:
    """Return the processor time of this process for each of `units` since `began` of time.process_time(), in µs."""
    return 1e6 * (time.process_time() - began) / units
