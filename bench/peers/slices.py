"""A slice: one server asked in one way by so many callers for a moment, and every answer compared."""

from __future__ import annotations

import asyncio
import gc
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvloop

from bench.peers.apis import conversations, last_of_step, streams
from bench.peers.environments import PeerError
from bench.peers.launch import RunningPeer
from bench.peers.workload import Workload
from bench.raw_client.closed_loop import Exchanges, ask_in_turns, step_in_turns
from bench.raw_client.failure import RawCallError
from bench.recorder import Recorder

WHOLE, STEPS = "whole", "steps"
_WARM_RATIO = 0.2
_PATIENCE_SECONDS = 30.0


@dataclass(frozen=True, kw_only=True)
class Slice:
    """What came of it. `traffic` is whole sequences or steps of streams; `server_us` processor time for each answer."""

    row: str
    traffic: str
    in_flight: int
    round: int
    rate: float
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    compared: int = 0
    wrong: int = 0
    failures: dict[str, int] = field(default_factory=dict)
    client_cpu_ratio: float = 0.0
    server_us: float = 0.0


class Callers:
    """Measures slices of one workload."""

    def __init__(self, workload: Workload, model: str, seconds: float) -> None:
        self._workload, self._model, self._seconds = workload, model, seconds
        self._conversations = conversations(model, workload.streams)

    def whole(self, server: RunningPeer, row: str, in_flight: int, round_: int) -> Slice:
        """Ask for whole sequences. Raises PeerError."""
        api = server.peer.unary[row]
        address, times = server.address(api), {"seconds": self._seconds, "warm_seconds": _WARM_RATIO * self._seconds}
        messages = [api.encode(self._model, address, frames) for frames in self._workload.whole]

        async def ask() -> Exchanges:
            async with api.callers(address, in_flight) as asks:
                return await ask_in_turns(asks, messages, **times)

        exchanges, server_us = self._run(ask, server)
        found = _figures(exchanges, api.last, self._workload.last, self._workload.classes)
        return Slice(row=row, traffic=WHOLE, in_flight=in_flight, round=round_, server_us=server_us, **found)

    def steps(self, server: RunningPeer, row: str, in_flight: int, round_: int) -> Slice:
        """Send streams frame by frame. Raises PeerError."""
        address, times = server.grpc_address, {"seconds": self._seconds, "warm_seconds": _WARM_RATIO * self._seconds}

        async def step() -> Exchanges:
            async with streams(address, in_flight) as opens:
                return await step_in_turns(opens, self._conversations, **times)

        exchanges, server_us = self._run(step, server)
        found = _figures(exchanges, last_of_step, self._workload.steps, self._workload.classes)
        return Slice(row=row, traffic=STEPS, in_flight=in_flight, round=round_, server_us=server_us, **found)

    def _run(self, load: Callable[[], Awaitable[Exchanges]], server: RunningPeer) -> tuple[Exchanges, float]:
        """Run a load; returns also the server's processor time for each answer, in µs."""

        async def bounded() -> Exchanges:
            async with asyncio.timeout(self._seconds + _PATIENCE_SECONDS):
                return await load()

        before = server.processor_seconds()
        try:
            with _no_collections(), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                exchanges = runner.run(bounded())
        except (RawCallError, TimeoutError) as error:
            raise PeerError(f"stopped answering: {error or 'it takes too long'}") from error
        return exchanges, 1e6 * (server.processor_seconds() - before) / max(len(exchanges.answered), 1)


def _figures(
    exchanges: Exchanges, last: Callable[[bytes, int], bytes], expected: Sequence[bytes], classes: int
) -> dict[str, Any]:
    recorder = Recorder()
    exchanges.record(recorder)
    latency = recorder.sequences.latency()
    return {
        "rate": exchanges.rate,
        "p50_ms": latency.p50_ms,
        "p99_ms": latency.p99_ms,
        "compared": len(exchanges.answered),
        "wrong": sum(last(each.reply, classes) != expected[each.number] for each in exchanges.answered),
        "failures": dict(Counter(each.failure for each in exchanges.failed)),
        "client_cpu_ratio": exchanges.cpu_ratio,
    }


@contextmanager
def _no_collections() -> Iterator[None]:
    """Spare the client what the garbage collector takes: it keeps every answer."""
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.unfreeze()
