"""How long slices are: as long as others may have to wait for their end."""

from __future__ import annotations

import asyncio

import pytest

from service.loading.servable import Servable
from service.serving.batcher.run_place import RunPlaces
from tests.servables import servable
from tests.unit.service.awaited_executor import turns
from tests.unit.service.batcher_bench import SLICE, Bench
from tests.unit.service.conftest import Meter, ProcessorClock
from tests.unit.service.test_run_place import ALONE, LONG, SlowRunner, ran

LONGEST = 10 * SLICE


@pytest.fixture
def bench(meter: Meter) -> Bench:
    return Bench(meter, max_slice_seconds=1.0, max_batch_frames=LONGEST)


async def one_by_one(bench: Bench, target: Servable, length: int, times: int) -> None:
    for _ in range(times):
        (asked,) = await bench.asked(target, length)
        await bench.executor.finish_all()
        assert (await asked).outputs.tolist() == [[length]]


async def test_while_requests_come_one_at_a_time_slices_are_longer(bench: Bench) -> None:
    target = servable(bench.runner, sliced=True)
    await one_by_one(bench, target, 2 * SLICE, 1)
    assert bench.runner.runs == [[SLICE], [SLICE]]
    await one_by_one(bench, target, SLICE, ALONE)
    bench.runner.runs.clear()
    await one_by_one(bench, target, 2 * SLICE, 1)
    await one_by_one(bench, target, LONGEST, 1)
    assert bench.runner.runs == [[2 * SLICE], [LONGEST]]


async def test_they_are_no_longer_than_a_run_may_be(bench: Bench) -> None:
    target = servable(bench.runner, sliced=True)
    await one_by_one(bench, target, SLICE, ALONE)
    bench.runner.runs.clear()
    await one_by_one(bench, target, LONGEST + SLICE, 1)
    assert bench.runner.runs == [[LONGEST], [SLICE]]


async def test_a_request_that_comes_meanwhile_makes_them_short_again(bench: Bench) -> None:
    target = servable(bench.runner, sliced=True)
    await one_by_one(bench, target, SLICE, ALONE)
    bench.runner.runs.clear()
    long = await bench.asked(target, 2 * LONGEST)
    short = await bench.asked(target, 1)
    await bench.executor.finish_all()
    assert bench.runner.runs[:3] == [[LONGEST], [1], [SLICE]]
    assert max(length for (length,) in bench.runner.runs[1:]) == SLICE
    await asyncio.gather(*long, *short)


async def test_what_takes_too_long_runs_in_short_ones(meter: Meter, clock: ProcessorClock) -> None:
    bench = Bench(meter, max_slice_seconds=3 * LONG)
    bench.runner = SlowRunner(clock)
    target = servable(bench.runner, sliced=True)
    await one_by_one(bench, target, SLICE, ALONE)
    bench.runner.runs.clear()
    await one_by_one(bench, target, 8 * SLICE, 1)
    assert bench.runner.runs[0] == [2 * SLICE]  # it is as slow for any length, which nobody knows yet
    await turns()


def test_the_time_of_a_length_is_that_of_a_shorter_one_until_it_has_run() -> None:
    places = RunPlaces(0.0)
    assert places.expected_seconds(8) is None
    ran(places, [4], 0.1)
    assert places.expected_seconds(4) == pytest.approx(0.1)
    assert places.expected_seconds(16) == places.expected_seconds(9) == pytest.approx(0.4)
    assert places.expected_seconds(2) is None
    ran(places, [16], 2.0)
    assert places.expected_seconds(16) == pytest.approx(2.0)
    assert places.expected_seconds(8) == pytest.approx(0.2)
    ran(places, [2, 2], 5.0)
    assert places.expected_seconds(2) is None
