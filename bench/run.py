"""The loops: open, where requests leave when they are due, and closed, where callers wait for their answers."""

from __future__ import annotations

import asyncio
import itertools
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from bench.alone import Alone, answers_alone, comparing
from bench.call import Request, Send, Sender
from bench.clock import Clock, SystemClock
from bench.load import Load, arrival_seconds, turn_seconds
from bench.own_delay import own_delay_watched
from bench.recorder import Recorder
from bench.report import Summary
from bench.requests import choose, make_requests
from bench.wire.target import target_of
from bench.workload import Given
from soloist import SoloistError

NOT_SENT = "NOT_SENT"  # reason of a request that was due while max_in_flight others were under way
_CLOSED_REQUESTS = 1000  # drawn beforehand and sent over and over: their number isn't known
_LEAD_SECONDS = 0.05  # between "go" and the first arrival


async def measure(
    load: Load, sequences: Sequence[Given] | None = None, *, await_start: Callable[[], object] = int
) -> Summary:
    """Load a server and sum up what it did; takes load.seconds, and at most load.timeout_seconds more.

    Without `sequences` some are made up from the model's signature; `await_start` as for `run_part`. A failed request
    is counted, not raised. Raises SoloistError when the model can't be had to begin with, WorkloadError when frames
    can't be made up.
    """
    alone = await answers_alone(load, sequences) if load.check else None
    return summary_of(load, [await run_part(load, sequences, alone=alone, await_start=await_start)])


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
    load: Load,
    sequences: Sequence[Given] | None = None,
    *,
    number: int = 0,
    alone: Alone | None = None,
    await_start: Callable[[], object] = int,
) -> Part:
    """Send the share of one of load.processes: every n-th request from its number on, or its share of the callers.

    Raises as `measure` does; `await_start` is called once everything is connected and drawn, and may block. With
    `alone`, which has the answers that each request had alone, answers are compared to those.
    """
    clock, recorder = SystemClock() if load.waits_awake else SystemClock(awake_seconds=0.0), Recorder()
    due = arrival_seconds(load.arrivals, rate_per_second=load.rate_per_second, seconds=load.seconds, seed=load.seed)
    async with target_of(load, connections=load.connections_of_a_process) as target:
        made = make_requests(load, target, sequences)
        if alone is not None:
            made = [replace(request, alone=bits) for request, bits in zip(made, alone, strict=True)]
        drawn = choose(load, made, _CLOSED_REQUESTS if load.callers else len(due))
        requests, due = drawn[number :: load.processes], due[number :: load.processes]
        seen = comparing(recorder) if alone is not None else None
        sender = Sender(load, target.api, target.connections, clock=clock, recorder=recorder, seen=seen)
        await_start()
        started, cpu_started = clock.now(), time.process_time()
        recorder.began_seconds = started
        sender.ends_seconds = started + load.seconds if load.callers else math.inf
        scheduled = len(due)
        if load.callers:
            turns = turn_seconds(load, number)
            async with own_delay_watched(recorder):
                scheduled = await ask_by_turns(
                    turns, requests or drawn, sender.send, clock=clock, recorder=recorder, seconds=load.seconds,
                    interval_seconds=load.chunk_interval_seconds,
                )  # fmt: skip
        else:
            await drive(
                due.tolist(), requests, sender.send,
                clock=clock, recorder=recorder, max_in_flight=load.max_in_flight,
            )  # fmt: skip
        return Part(
            recorder=recorder,
            scheduled=scheduled,
            elapsed_seconds=clock.now() - started,
            cpu_seconds=time.process_time() - cpu_started,
        )


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
            recorder.left(due_seconds=start + offset, now_seconds=clock.now())
            task = group.create_task(_one(request, start + offset, send, clock, recorder))
            under_way.add(task)
            task.add_done_callback(under_way.discard)


async def ask_by_turns(
    turn_seconds: Sequence[float],
    requests: Sequence[Request],
    send: Send,
    *,
    clock: Clock,
    recorder: Recorder,
    seconds: float,
    interval_seconds: float = 0.0,
) -> int:
    """Let each caller send one request after the other until the time is over; returns how many were sent.

    Each caller has an entry in `turn_seconds`, when it begins. A latency counts from when its request was sent, so a
    stall shows in as many requests as there are callers. `interval_seconds` is that between the chunks of a stream.
    """
    began = clock.now()
    ends = began + seconds
    endless, sent = itertools.cycle(requests), itertools.count()

    async def ask(begin_seconds: float) -> None:
        await clock.sleep_until(began + begin_seconds)
        while (now := clock.now()) < ends:
            request = next(endless)
            if request.streamed and ends - now < interval_seconds:
                return  # a stream of one chunk tells nothing
            next(sent)
            await _one(request, now, send, clock, recorder)

    async with asyncio.TaskGroup() as group:
        for begin_seconds in turn_seconds:
            group.create_task(ask(begin_seconds))
    return next(sent)


async def _one(request: Request, due: float, send: Send, clock: Clock, recorder: Recorder) -> None:
    try:
        frame_count = await send(request, due)
    except SoloistError as error:
        recorder.failed(error.reason, error.code.name)
    else:
        recorder.answered(frame_count, due_seconds=due, now_seconds=clock.now(), streamed=request.streamed)
