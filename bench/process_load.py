"""A closed loop over many connections, and the processor time of each process that took part in it."""

from __future__ import annotations

import asyncio
import itertools
import os
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import grpc

from bench.load_generator.workload import Array
from bench.server.process import ServerProcess
from soloist.v1 import sequence_inference_pb2 as pb
from soloist.v1 import sequence_inference_pb2_grpc, tensor_pb2

_TICKS = os.sysconf("SC_CLK_TCK")
# Channels of one process share a connection otherwise, and a connection stays with one process of the server.
_OPTIONS = [("grpc.use_local_subchannel_pool", 1)]
_TIMEOUT_SECONDS = 30.0


@dataclass(frozen=True, kw_only=True)
class Callers:
    """So many client processes, of each so many connections, and on each so many calls at once, one after the other."""

    model: str
    clients: int
    connections: int
    calls_at_once: int
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What the clients got, and the processor time they took."""

    answered: int
    failed: int
    cpu_seconds: float


@dataclass(frozen=True, kw_only=True)
class Turn:
    """One load of one server: rate, and milliseconds of processor time a request.

    `busiest_ms` are those of the server's busiest process; `server_ms` has all of them, the supervisor included.
    """

    rate_per_second: float
    busiest_ms: float
    server_ms: float
    client_ms: float
    failed: int


def serving_processes(server: ServerProcess) -> list[int]:
    """Return the ids of the processes that serve: the children of the supervisor, or the server itself."""
    pid = server.process.pid
    children = [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return [child for child in children if not _tries_files(child)] or [pid]


def _tries_files(pid: int) -> bool:
    """Return whether a process is the one that files are loaded in on trial."""
    return b"trial_host" in Path(f"/proc/{pid}/cmdline").read_bytes()


def cpu_seconds(pid: int) -> float:
    """Return the processor time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def ask(server: str, callers: Callers, sequences: Sequence[Array]) -> Asked:
    """Ask until the time is up; runs in a process of its own."""
    began = time.process_time()
    answered, failed = asyncio.run(_ask(server, callers, sequences))
    return Asked(answered=answered, failed=failed, cpu_seconds=time.process_time() - began)


async def _ask(server: str, callers: Callers, sequences: Sequence[Array]) -> tuple[int, int]:
    counts = {True: 0, False: 0}
    requests = itertools.cycle([_request(callers.model, frames) for frames in sequences])
    until = time.perf_counter() + callers.seconds

    async def keep_asking(stub: sequence_inference_pb2_grpc.SequenceInferenceAsyncStub) -> None:
        while time.perf_counter() < until:
            try:
                await stub.Predict(next(requests), timeout=_TIMEOUT_SECONDS)
                counts[True] += 1
            except grpc.aio.AioRpcError:
                counts[False] += 1

    async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
        for _ in range(callers.connections):
            channel = await stack.enter_async_context(grpc.aio.insecure_channel(server, options=_OPTIONS))
            stub = sequence_inference_pb2_grpc.SequenceInferenceStub(channel)
            for _ in range(callers.calls_at_once):
                group.create_task(keep_asking(stub))
    return counts[True], counts[False]


def _request(model: str, frames: Array) -> pb.PredictRequest:
    kind = tensor_pb2.DataType.Value(f"DATA_TYPE_{frames.dtype.name.upper()}")
    tensor = tensor_pb2.Tensor(data_type=kind, shape=frames.shape, data=frames.tobytes())
    return pb.PredictRequest(model=model, frames=tensor)


def take_turn(
    server: ServerProcess, callers: Callers, sequences: Sequence[Array], clients: ProcessPoolExecutor
) -> Turn:
    """Load a server, and see what it took."""
    pids = serving_processes(server)
    watched = dict.fromkeys([*pids, server.process.pid])
    before, began = {pid: cpu_seconds(pid) for pid in watched}, time.perf_counter()
    asking = [clients.submit(ask, server.grpc, callers, sequences) for _ in range(callers.clients)]
    asked = [each.result() for each in asking]
    seconds = time.perf_counter() - began
    used = {pid: cpu_seconds(pid) - before[pid] for pid in watched}
    answered = max(1, sum(each.answered for each in asked))
    return Turn(
        rate_per_second=answered / seconds,
        busiest_ms=1000 * max(used[pid] for pid in pids) / answered,
        server_ms=1000 * sum(used.values()) / answered,
        client_ms=1000 * sum(each.cpu_seconds for each in asked) / answered,
        failed=sum(each.failed for each in asked),
    )
