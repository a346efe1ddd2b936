"""Callers of an overload: many that send whatever becomes of their requests, and one that asks for little."""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import grpc

_METHOD = "/soloist.v1.SequenceInference/Predict"
_CONNECTIONS = 4
_POLITE_PAUSE_SECONDS = 0.2


@dataclass(frozen=True, kw_only=True)
class OfferedLoad:
    """One load: `rate` a second for `seconds`, each with a deadline."""

    target: str
    message: bytes
    rate: float
    seconds: float
    deadline_seconds: float
    seed: int


@dataclass(kw_only=True)
class CallResults:
    """What came of it: latencies of what was answered in time, the others by the reason."""

    in_time_seconds: list[float] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    late_seconds: float = 0.0

    def add(self, other: CallResults) -> None:
        """Add what another process saw."""
        self.in_time_seconds += other.in_time_seconds
        self.refused += other.refused
        self.late_seconds = max(self.late_seconds, other.late_seconds)


async def ask(offered: OfferedLoad) -> CallResults:
    """Send requests when they are due, whatever became of those before."""
    results, rng, tasks = CallResults(), random.Random(offered.seed), set[asyncio.Task[None]]()
    options = [("grpc.use_local_subchannel_pool", 1)]
    channels = [grpc.aio.insecure_channel(offered.target, options=options) for _ in range(_CONNECTIONS)]
    await asyncio.gather(*(channel.channel_ready() for channel in channels))
    calls: list[Any] = [channel.unary_unary(_METHOD) for channel in channels]

    async def one(call: Any) -> None:
        began = time.monotonic()
        try:
            await call(offered.message, timeout=offered.deadline_seconds)
        except grpc.aio.AioRpcError as error:
            results.refused[_reason(error)] += 1
        else:
            results.in_time_seconds.append(time.monotonic() - began)

    due = time.monotonic()
    end = due + offered.seconds
    while (due := due + rng.expovariate(offered.rate)) < end:
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        results.late_seconds = max(results.late_seconds, time.monotonic() - due)
        task = asyncio.create_task(one(rng.choice(calls)))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    await asyncio.gather(*tasks)
    for channel in channels:
        await channel.close()
    return results


def _reason(error: grpc.aio.AioRpcError) -> str:
    head = (error.details() or "").partition(":")[0]
    return head if re.fullmatch(r"[A-Z_]+", head) else error.code().name


def ask_in_process(offered: OfferedLoad) -> CallResults:
    """Ask in a process of its own."""
    return asyncio.run(ask(offered))


def ask_politely(offered: OfferedLoad) -> CallResults:
    """Send one request at a time, with a pause after each."""
    results = CallResults()
    with grpc.insecure_channel(offered.target, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
        call: Any = channel.unary_unary(_METHOD)
        end = time.monotonic() + offered.seconds
        while (began := time.monotonic()) < end:
            try:
                call(offered.message, timeout=offered.deadline_seconds)
                results.in_time_seconds.append(time.monotonic() - began)
            except grpc.RpcError as error:
                results.refused[error.code().name] += 1
            time.sleep(_POLITE_PAUSE_SECONDS)
    return results
