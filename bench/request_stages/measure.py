"""The measuring: each stage's processor time for a request, medians over interleaved repetitions."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import grpc
import numpy as np

from bench.request_stages.call_count import CallCount
from bench.request_stages.load import Traffic, from_memory, in_flight, nothing, over_network, processor_us
from bench.request_stages.stand_ins import NoQueue, RunClock
from bench.request_stages.timers import STAGES, StageTimers
from bench.server.process import ServerProcess
from service.engine.one_step import FILE
from service.engine.onnx_runtime import ort
from service.engine.session import open_session, run_graph

if TYPE_CHECKING:
    from bench.request_stages.in_memory import MemoryServer
    from service.loading.servable import Servable
    from service.serving.batcher import Batcher

TRANSPORT, QUEUE, RUN, REST = "transport", "queue", "run", "rest"
_COUNTED = 100
COLUMNS = (TRANSPORT, "parse", "checks", QUEUE, RUN, "encode", "metrics", "publish", REST)


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One repetition: µs by stage, the bare run's, how many rows shared a run, and the share of runs on the loop.

    `python_calls` and `c_calls` are the function calls of a request on the event loop's thread.
    """

    us: dict[str, float]
    bare_us: float
    rows_a_run: float
    on_loop: float
    python_calls: float
    c_calls: float


@dataclass(frozen=True, kw_only=True)
class Stages:
    """The medians of one kind of traffic. `own_us` is all but transport and run, `ratio` that over the bare run."""

    traffic: str
    in_flight: int
    us: dict[str, float]
    bare_us: float
    rows_a_run: float
    on_loop: float
    python_calls: float
    c_calls: float

    @property
    def own_us(self) -> float:
        """Return the time of all stages but the transport and the run."""
        return sum(us for stage, us in self.us.items() if stage not in (TRANSPORT, RUN))

    @property
    def ratio(self) -> float:
        """Return that time as a multiple of the bare run's."""
        return self.own_us / self.bare_us


class Bench:
    """One model on a server without a network, and the same on a real one if there is one."""

    def __init__(self, memory: MemoryServer, servable: Servable, real: ServerProcess | None) -> None:
        self._memory = memory
        self._real = real
        self._clock = RunClock(servable)
        self._bare = bare_run(servable)
        self._timers = StageTimers()
        self._no_queue = replace(memory.parts.serving, batcher=cast("Batcher", NoQueue()))

    async def sample(self, traffic: Traffic, at_once: int, count: int) -> Sample:
        """Measure every stage once, with `count` requests a stage."""
        calls = max(at_once, count // traffic.units)
        memory, timers = self._memory, self._timers
        harness, *_ = await self._cost(nothing, traffic, calls, at_once)
        whole = memory.handler(traffic.method, memory.parts.serving)
        runs_before, loop_before = self._clock.runs, self._clock.on_loop
        whole_us, run_us, rows_a_run = await self._cost(whole, traffic, calls, at_once)
        on_loop = (self._clock.on_loop - loop_before) / (self._clock.runs - runs_before)
        unqueued = memory.handler(traffic.method, self._no_queue)
        unqueued_us, its_run_us, _ = await self._cost(unqueued, traffic, calls, at_once)
        timers.ns.clear()
        with timers.installed():
            timed = memory.handler(traffic.method, self._no_queue, timers.around)
            await self._cost(timed, traffic, calls, at_once)
        us = {stage: timers.ns[stage] / 1e3 / (calls * traffic.units) for stage in STAGES}
        us[REST] = unqueued_us - its_run_us - harness - sum(us.values())
        us[QUEUE] = whole_us - run_us - (unqueued_us - its_run_us)
        us[RUN] = run_us
        us[TRANSPORT] = await self._server_us(traffic, calls, at_once) - (whole_us - harness) if self._real else 0.0
        counted = await self._calls(whole, traffic, at_once)
        return Sample(
            us=us,
            bare_us=self._bare_us(traffic.rows, count),
            rows_a_run=rows_a_run,
            on_loop=on_loop,
            python_calls=counted[0],
            c_calls=counted[1],
        )

    async def _calls(self, handler: Any, traffic: Traffic, at_once: int) -> tuple[float, float]:
        """Return the function calls of a request in Python and in C, without those of the measuring itself."""
        calls = max(at_once, _COUNTED // traffic.units)
        found = []
        for each in (handler, nothing):
            count = CallCount()
            with count.counting():
                await in_flight(from_memory(each, traffic), calls, at_once)
            found.append((count.python / calls / traffic.units, count.c / calls / traffic.units))
        (python, c), (harness_python, harness_c) = found
        return python - harness_python, c - harness_c

    async def _cost(self, handler: Any, traffic: Traffic, calls: int, at_once: int) -> tuple[float, float, float]:
        """Return the µs of a request and of its part of the run, and the rows of a run."""
        clock, units = self._clock, calls * traffic.units
        before = clock.ns, clock.runs, clock.rows
        began = time.process_time()
        await in_flight(from_memory(handler, traffic), calls, at_once)
        us = processor_us(began, units)
        runs, rows = clock.runs - before[1], clock.rows - before[2]
        return us, (clock.ns - before[0]) / 1e3 / units, rows / runs if runs else 0.0

    async def _server_us(self, traffic: Traffic, calls: int, at_once: int) -> float:
        if self._real is None:
            return 0.0
        async with grpc.aio.insecure_channel(self._real.grpc) as channel:
            before = self._real.cpu_seconds()
            await in_flight(over_network(channel, traffic), calls, at_once)
            return 1e6 * (self._real.cpu_seconds() - before) / (calls * traffic.units)

    def _bare_us(self, rows: Sequence[Any], count: int) -> float:
        began = time.process_time()
        for number in range(count):
            self._bare(rows[number % len(rows)])
        return processor_us(began, count)


def bare_run(servable: Servable) -> Callable[[Any], object]:
    """Return a function that runs the model on frames, with nothing around it."""
    path = cast("Path", servable.path)
    session = open_session(path)
    one_step = open_session(path.with_name(FILE)) if servable.manifest.one_step_sha256 else session
    signature = servable.manifest.signature
    states = servable.require_time_axis().initial_states()
    fixed = {state.input: states[state.name] for state in signature.states}
    wanted = [signature.outputs.name, *(state.output for state in signature.states)]
    lengths: dict[int, dict[str, Any]] = {}

    def run(frames: Any) -> object:
        chosen: ort.InferenceSession = one_step if len(frames) == 1 else session
        length = lengths.get(len(frames))
        if length is None:
            length = lengths[len(frames)] = _length(servable, len(frames))
        return run_graph(chosen, wanted, {signature.frames.name: frames[None], **length, **fixed}, frames[None])

    return run


def _length(servable: Servable, frames: int) -> dict[str, Any]:
    signature = servable.manifest.signature
    return {signature.length.name: np.array([frames], np.int64)} if signature.HasField("length") else {}


def medians(traffic: Traffic, at_once: int, samples: Sequence[Sample]) -> Stages:
    """Return the median of each stage. The first sample warms up, and isn't counted unless it is the only one."""
    counted = samples[1:] or samples
    return Stages(
        traffic=traffic.name,
        in_flight=at_once,
        us={stage: statistics.median(each.us[stage] for each in counted) for stage in COLUMNS},
        bare_us=statistics.median(each.bare_us for each in counted),
        rows_a_run=statistics.median(each.rows_a_run for each in counted),
        on_loop=statistics.median(each.on_loop for each in counted),
        python_calls=statistics.median(each.python_calls for each in counted),
        c_calls=statistics.median(each.c_calls for each in counted),
    )
