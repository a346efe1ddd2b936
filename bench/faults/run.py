"""The run: replicas, Envoy, callers, and one fault after the other."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from bench.faults import stored_sequences, streams
from bench.faults.envoy import envoy
from bench.faults.replicas import Replica
from bench.faults.stored_sequences import StoredCaller
from bench.faults.streams import Caller, Script
from bench.faults.tally import Tally
from bench.faults.wire import wire
from bench.server.redis import redis
from soloist import AsyncClient, Monitor

REPLICAS = 3
FAULTS = ("none", "killed (SIGKILL)", "stopped (SIGSTOP)", "drained (SIGTERM)", "cut off")
_FRAMES_BETWEEN_TOKENS = (1, 9)  # by turns
_WRITTEN_SECONDS = 1.5  # until logs have been written


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How much is done."""

    streams: int
    sequences: int
    rounds: int
    silent_seconds: float
    quiet_seconds: float
    pause_seconds: float
    transport: str


async def run(plan: Plan, repository: Path, model: str, folder: Path, tell: Callable[[str], None]) -> Tally:
    """Do every fault to every replica in turn, under load.

    Raises:
        NoEnvoyError: There is no Envoy.
        NoRedisError: There is no Redis, and sequences by id are wanted.
        ServerError: A replica didn't start.
        SoloistError: The undisturbed run failed.

    """
    command = [sys.executable, "-m", "soloist.cli.main", "keys", "new", str(folder / "keys"), "--after-seconds", "0"]
    await asyncio.to_thread(subprocess.run, command, check=True, stdout=subprocess.DEVNULL)
    settings: dict[str, object] = {"keys_file": folder / "keys", "transport": plan.transport}
    settings |= {"prediction_log": folder / "log.db", "prediction_log_flush_seconds": 0.1}

    tally = Tally()
    async with AsyncExitStack() as stack:
        if plan.sequences:
            # Writes wait for a disk that everything else here uses, too.
            settings |= {"sequence_store": stack.enter_context(redis(folder)), "sequence_store_timeout_seconds": 4}
        replicas = []
        for number in range(REPLICAS):
            log = folder / f"replica-{number}.log"
            replica = Replica(repository, settings, await stack.enter_async_context(wire()), log)
            stack.push_async_callback(replica.close)
            replicas.append(replica)
        await asyncio.gather(*(replica.start() for replica in replicas))
        given = await streams.scripts(replicas[0].server.grpc, model)
        stored = await stored_sequences.scripts(replicas[0].server.grpc, model) if plan.sequences else []
        port = stack.enter_context(envoy([replica.wire.port for replica in replicas], folder))
        target = f"127.0.0.1:{port}"
        async with AsyncClient(target) as client:
            await client.wait_until_ready(30)
        before = _counted(replicas[0], model)
        await _disturbed(plan, target, model, given, stored, replicas, tally, tell)
        await asyncio.sleep(_WRITTEN_SECONDS)
        tally.row.doubled += max(0, _counted(replicas[0], model) - before - len(tally.ids))
    return tally


async def _disturbed(
    plan: Plan,
    target: str,
    model: str,
    given: Sequence[Script],
    stored: Sequence[Script],
    replicas: Sequence[Replica],
    tally: Tally,
    tell: Callable[[str], None],
) -> None:
    ended = asyncio.Event()
    tally.phase = FAULTS[0]
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as callers:
        # A connection for some ten streams, as if there were several programs.
        clients = [await stack.enter_async_context(AsyncClient(target)) for _ in range(-(-plan.streams // 10))]
        for number in range(plan.streams):
            every_frames = _FRAMES_BETWEEN_TOKENS[number % len(_FRAMES_BETWEEN_TOKENS)]
            caller = Caller(
                clients[number % len(clients)],
                model,
                tally,
                pause_seconds=plan.pause_seconds,
                every_frames=every_frames,
            )
            callers.create_task(caller.run(given, number, ended))
        for number in range(plan.sequences):
            client = clients[number % len(clients)]
            by_id = StoredCaller(target, client, model, tally, pause_seconds=plan.pause_seconds)
            callers.create_task(by_id.run(stored, number, ended))
        try:
            await _faults(plan, replicas, tally, tell)
        finally:
            ended.set()


async def _faults(plan: Plan, replicas: Sequence[Replica], tally: Tally, tell: Callable[[str], None]) -> None:
    await asyncio.sleep(plan.quiet_seconds)
    for number in range(plan.rounds):
        for place, fault in enumerate(FAULTS[1:]):
            tally.phase = fault
            tell(fault)
            await _do(fault, replicas[(number + place) % len(replicas)], plan.silent_seconds)
            await asyncio.sleep(plan.quiet_seconds)
            tally.row.resumed += sum([await asyncio.to_thread(replica.resumed) for replica in replicas])


async def _do(fault: str, replica: Replica, silent_seconds: float) -> None:
    if fault == FAULTS[1]:
        await replica.kill()
    elif fault == FAULTS[2]:
        await replica.stop(silent_seconds)
    elif fault == FAULTS[3]:
        await replica.drain()
    else:
        await replica.cut(silent_seconds)


def _counted(replica: Replica, model: str) -> int:
    """Return how many answers the prediction log has."""
    with Monitor(replica.server.grpc) as monitor:
        return max(window.total.answers for each in monitor.accuracy(model) for window in each.windows)
