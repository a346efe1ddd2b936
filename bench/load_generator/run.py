"""A load from beginning to end: in one process, and the share of each of several."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bench.load_generator.alone import Alone, answers_alone, comparing, expecting
from bench.load_generator.call import Sender
from bench.load_generator.clock import SystemClock
from bench.load_generator.load import Load, arrival_seconds, turn_seconds
from bench.load_generator.loops import ask_by_turns, drive
from bench.load_generator.own_delay import own_delay_watched
from bench.load_generator.report import Summary
from bench.load_generator.requests import choose, make_requests
from bench.load_generator.wire.target import target_of
from bench.load_generator.workload import Given
from bench.recorder import Recorder

_CLOSED_REQUESTS = 1000  # drawn beforehand and sent over and over: their number isn't known


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
    due = np.empty(0) if load.callers else _arrivals(load)
    async with target_of(load, connections=load.connections_of_a_process) as target:
        made = expecting(make_requests(load, target, sequences), alone)
        drawn = choose(load, made, _CLOSED_REQUESTS if load.callers else len(due))
        requests, due = drawn[number :: load.processes], due[number :: load.processes]
        seen = comparing(recorder) if alone is not None else None
        sender = Sender(load, target.api, target.connections, clock=clock, recorder=recorder, seen=seen)
        await_start()
        started, cpu_started = clock.now(), time.process_time()
        recorder.began_seconds = started
        if load.callers:
            sender.ends_seconds = started + load.seconds
            async with own_delay_watched(recorder):
                scheduled = await ask_by_turns(
                    turn_seconds(load, number), requests or drawn, sender.send,
                    clock=clock, recorder=recorder, seconds=load.seconds, interval_seconds=load.chunk_interval_seconds,
                )  # fmt: skip
        else:
            times, scheduled = due.tolist(), len(due)
            await drive(times, requests, sender.send, clock=clock, recorder=recorder, max_in_flight=load.max_in_flight)
        return Part(
            recorder=recorder,
            scheduled=scheduled,
            elapsed_seconds=clock.now() - started,
            cpu_seconds=time.process_time() - cpu_started,
        )


def _arrivals(load: Load) -> npt.NDArray[np.float64]:
    return arrival_seconds(load.arrivals, rate_per_second=load.rate_per_second, seconds=load.seconds, seed=load.seed)
