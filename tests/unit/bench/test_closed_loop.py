"""Callers of the closed loop wait for their answers; chunks that come late are counted."""

from __future__ import annotations

import asyncio
import pickle
import time
from dataclasses import replace

import numpy as np
import pytest

from bench.load_generator.call import Request
from bench.load_generator.load import Load, Mode, turn_seconds
from bench.load_generator.loops import ask_by_turns
from bench.load_generator.own_delay import own_delay_watched
from bench.load_generator.report import BUSY_RATIO, Summary, remarks
from bench.recorder import Recorder
from tests.unit.bench.conftest import FakeClock

REQUEST = Request(chunks=[np.zeros((5, 3), np.float32)])


async def test_each_caller_sends_when_its_answer_has_come(clock: FakeClock) -> None:
    recorder, under_way = Recorder(), [0, 0]  # now, and at most

    async def answer_after_a_second(request: Request, due_seconds: float) -> int:
        under_way[0] += 1
        under_way[1] = max(under_way)
        await clock.sleep_until(due_seconds + 1.0)
        under_way[0] -= 1
        return request.frame_count

    work = ask_by_turns([0.0] * 3, [REQUEST], answer_after_a_second, clock=clock, recorder=recorder, seconds=4.0)
    assert await clock.run(work) == 12
    assert under_way[1] == 3
    assert recorder.sequences.count == 12
    assert recorder.sequences.percentile_ms(99) == pytest.approx(1000, rel=2e-3)


@pytest.mark.parametrize(("callers", "processes", "shares"), [(8, 3, [3, 3, 2]), (2, 2, [1, 1])])
def test_processes_share_the_callers(callers: int, processes: int, shares: list[int]) -> None:
    load = Load(server="s", model="m", rate_per_second=1, seconds=1, callers=callers, processes=processes)
    assert [load.callers_of(part) for part in range(processes)] == shares


def test_what_processes_have_seen_is_merged_without_loss() -> None:
    one, other, both = Recorder(), Recorder(), Recorder()
    for index, seconds in enumerate(np.random.default_rng(0).exponential(0.01, 500)):
        for recorder in ((one, other)[index % 2], both):
            recorder.left(due_seconds=0.0, now_seconds=seconds / 10)
            recorder.answered(3, due_seconds=0.0, now_seconds=seconds)
            recorder.chunk_answered(due_seconds=0.0, now_seconds=seconds, interval_seconds=0.02)
    one.failed("QUEUE_FULL")
    other.failed("QUEUE_FULL")
    one.merge(pickle.loads(pickle.dumps(other)))  # noqa: S301  # as it comes from another process
    assert one.sequences.latency() == both.sequences.latency()
    assert one.chunks.latency() == both.chunks.latency()
    assert one.lateness.latency() == both.lateness.latency()
    assert (one.errors, one.frame_count) == ({"QUEUE_FULL": 2}, 1500)
    assert one.deadline_misses == both.deadline_misses > 0


def test_a_chunk_misses_its_deadline_when_the_next_is_due() -> None:
    recorder = Recorder()
    for seconds in (0.01, 0.05, 0.051):
        recorder.chunk_answered(due_seconds=0.0, now_seconds=seconds, interval_seconds=0.05)
    load = Load(server="s", model="m", rate_per_second=1, seconds=1, mode=Mode.STREAM, chunk_interval_seconds=0.05)
    summary = Summary.of(load, recorder, scheduled=1, elapsed_seconds=1.0)
    assert summary.deadline_misses == 1
    assert "deadline misses: 1 of 3 chunks" in remarks(summary)


@pytest.mark.parametrize(("cpu_ratio", "said"), [(BUSY_RATIO + 0.05, True), (0.5, False)])
def test_a_closed_loop_without_time_left_says_so(cpu_ratio: float, said: bool) -> None:
    load = Load(server="s", model="m", rate_per_second=1, seconds=1, callers=4)
    summary = Summary.of(load, Recorder(), scheduled=1, elapsed_seconds=1.0, cpu_ratio=cpu_ratio)
    assert summary.fell_behind is said
    assert ("bottleneck" in remarks(summary)[-1]) is said


async def test_a_closed_loop_measures_how_late_its_event_loop_is() -> None:
    recorder = Recorder()
    async with own_delay_watched(recorder):
        await asyncio.sleep(0)
        time.sleep(0.1)  # noqa: ASYNC251  # the fault itself: nothing else turns
        while recorder.lateness.count < 2:  # noqa: ASYNC110  # the timer sets no event
            await asyncio.sleep(0)
    assert recorder.lateness.percentile_ms(100) > 50
    for cpu_ratio, said in ((0.1, "had to wait for a processor"), (0.8, "is the bottleneck")):
        summary = Summary.of(_closed(), recorder, scheduled=1, elapsed_seconds=1.0, cpu_ratio=cpu_ratio)
        assert f"the GENERATOR {said}" in remarks(summary)[-1]


def test_processor_time_of_a_generator_that_waits_awake_says_nothing() -> None:
    for load in (replace(_closed(), callers=None), replace(_closed(), mode=Mode.STREAM, chunk_interval_seconds=0.005)):
        assert not Summary.of(load, Recorder(), scheduled=1, elapsed_seconds=1.0, cpu_ratio=1.0).fell_behind


def test_streams_in_real_time_begin_apart_and_others_at_once() -> None:
    paced = replace(_closed(), callers=1000, mode=Mode.STREAM, chunk_interval_seconds=0.05, processes=2)
    begins = [*turn_seconds(paced, 0), *turn_seconds(paced, 1)]
    phases = np.histogram(np.array(begins) % 0.05, bins=10)[0]
    assert len(begins) == 1000
    assert phases.min() > 50
    assert turn_seconds(_closed(), 0) == [0.0] * 4


@pytest.mark.parametrize(("callers", "processes", "mode", "expected"), [
    (1000, 1, Mode.STREAM, 10), (1000, 2, Mode.STREAM, 5), (100_000, 1, Mode.MIXED, 16), (1000, 1, Mode.UNARY, 1),
])  # fmt: skip
def test_there_is_a_connection_for_each_hundred_streams(
    callers: int, processes: int, mode: Mode, expected: int
) -> None:
    load = replace(_closed(), callers=callers, processes=processes, mode=mode)
    assert load.connections_of_a_process == expected
    assert replace(load, connections=3).connections_of_a_process == 3


def _closed() -> Load:
    return Load(server="s", model="m", rate_per_second=1, seconds=1, callers=4)
