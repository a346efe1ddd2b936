"""The loops: open, where requests leave when they are due, and closed, where callers wait for their answers."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from bench.call import Request, Send, stream, unary
from bench.clock import Clock, SystemClock
from bench.load import Load, Mode, arrival_seconds
from bench.recorder import Recorder
from bench.report import Summary
from bench.workload import Array, chunks, draw, synthetic_sequences
from soloist import NO_RETRY, AsyncClient, SoloistError

NOT_SENT = "NOT_SENT"  # reason of a request that was due while max_in_flight others were under way
_CLOSED_REQUESTS = 1000  # drawn beforehand and sent over and over: their number isn't known
_LEAD_SECONDS = 0.05  # between "go" and the first arrival


async def measure(load: Load, sequences: Sequence[Array] | None = None) -> Summary:
    """Load a server and sum up what it did; takes load.seconds, and at most load.timeout_seconds more.

    Without `sequences` some are made up from the model's signature. A failed request is counted, not raised. Raises
    SoloistError when the model can't be had to begin with, WorkloadError when frames can't be made up.
    """
    part = await run_part(load, sequences)
    return summary_of(load, [part])


@dataclass(frozen=True, kw_only=True)
class Part:
    """What one process has seen of a load."""

    recorder: Recorder
    scheduled: int
    elapsed_seconds: float
    cpu_seconds: float


def summary_of(load: Load, parts: Sequence[Part]) -> Summary:
    """Sum up what the processes have seen."""
    recorder = Recorder()
    for part in parts:
        recorder.merge(part.recorder)
    return Summary.of(
        load,
        recorder,
        scheduled=sum(part.scheduled for part in parts),
        elapsed_seconds=max(part.elapsed_seconds for part in parts),
        cpu_ratio=max(part.cpu_seconds / part.elapsed_seconds for part in parts),
    )


async def run_part(
    load: Load, sequences: Sequence[Array] | None = None, *, number: int = 0, await_start: Callable[[], object] = int
) -> Part:
    """Send the share of one of load.processes: every n-th request from its number on, or its share of the callers.

    Raises as `measure` does; `await_start` is called once everything is connected and drawn, and may block.
    """
    clock, recorder = SystemClock(), Recorder()
    due = arrival_seconds(load.arrivals, rate_per_second=load.rate_per_second, seconds=load.seconds, seed=load.seed)
    async with AsyncClient(load.server, timeout_seconds=load.timeout_seconds, retry=NO_RETRY) as client:
        manifest = (await client.model(load.model)).manifest  # connects, too
        if sequences is None:
            if manifest is None:
                raise ValueError(f"the server has no manifest of {load.model!r}: give frames in a file")
            sequences = synthetic_sequences(manifest, seed=load.seed)
        drawn = make_requests(load, sequences, _CLOSED_REQUESTS if load.callers else len(due))
        requests, due = drawn[number :: load.processes], due[number :: load.processes]
        send = _sender(load, client, clock, recorder)
        await_start()
        started, cpu_started = clock.now(), time.process_time()
        scheduled = len(due)
        if load.callers:
            callers = load.callers_of(number)
            scheduled = await ask_by_turns(
                callers, requests or drawn, send, clock=clock, recorder=recorder, seconds=load.seconds
            )
        else:
            await drive(due.tolist(), requests, send, clock=clock, recorder=recorder, max_in_flight=load.max_in_flight)
        return Part(
            recorder=recorder,
            scheduled=scheduled,
            elapsed_seconds=clock.now() - started,
            cpu_seconds=time.process_time() - cpu_started,
        )


def make_requests(load: Load, sequences: Sequence[Array], count: int) -> list[Request]:
    """Draw and cut what each request sends, before any leaves; the same seed gives the same."""
    rng = np.random.default_rng(load.seed)
    chosen = draw(sequences, count, rng)
    if load.mode is Mode.UNARY:
        return [Request(chunks=[sequence]) for sequence in chosen]
    return [Request(chunks=chunks(sequence, chunk_frames=load.chunk_frames, rng=rng)) for sequence in chosen]


async def drive(
    due_seconds: Sequence[float],
    requests: Sequence[Request],
    send: Send,
    *,
    clock: Clock,
    recorder: Recorder,
    max_in_flight: int,
) -> None:
    """Send each request at its time, counted from shortly after now, and wait until all have ended.

    One that is due while `max_in_flight` are under way is not sent, and counts as an error.
    """
    start = clock.now() + _LEAD_SECONDS
    under_way: set[asyncio.Task[None]] = set()
    async with asyncio.TaskGroup() as group:
        for offset, request in zip(due_seconds, requests, strict=True):
            await clock.sleep_until(start + offset)
            if len(under_way) >= max_in_flight:
                recorder.failed(NOT_SENT)
                continue
            task = group.create_task(_one(request, start + offset, send, clock, recorder))
            under_way.add(task)
            task.add_done_callback(under_way.discard)


async def ask_by_turns(
    callers: int, requests: Sequence[Request], send: Send, *, clock: Clock, recorder: Recorder, seconds: float
) -> int:
    """Let each caller send one request after the other until the time is over; returns how many were sent.

    A latency counts from when its request was sent, so a stall shows in as many requests as there are callers.
    """
    ends = clock.now() + seconds
    endless, sent = itertools.cycle(requests), itertools.count()

    async def ask() -> None:
        while (now := clock.now()) < ends:
            next(sent)
            await _one(next(endless), now, send, clock, recorder)

    async with asyncio.TaskGroup() as group:
        for _caller in range(callers):
            group.create_task(ask())
    return next(sent)


async def _one(request: Request, due: float, send: Send, clock: Clock, recorder: Recorder) -> None:
    recorder.left(due_seconds=due, now_seconds=clock.now())
    try:
        await send(request, due)
    except SoloistError as error:
        recorder.failed(error.reason, error.code.name)
    else:
        recorder.answered(request.frame_count, due_seconds=due, now_seconds=clock.now())


def _sender(load: Load, client: AsyncClient, clock: Clock, recorder: Recorder) -> Send:
    if load.mode is Mode.UNARY:
        return unary(client, load.model)
    return stream(
        client,
        load.model,
        chunk_interval_seconds=load.chunk_interval_seconds,
        timeout_seconds=load.timeout_seconds,
        clock=clock,
        recorder=recorder,
    )
