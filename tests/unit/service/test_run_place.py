"""Where runs happen: short ones on the event loop, once their time is known, and all others on the workers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from service.engine.row import Row, RowResult
from service.loading.servable import Servable
from service.serving.batcher import Place
from service.serving.batcher.run_place import HOP_SECONDS, Company, RunPlaces
from tests.servables import POISON, GatedRunner, servable
from tests.unit.service.awaited_executor import turns
from tests.unit.service.batcher_bench import Bench
from tests.unit.service.conftest import Meter, ProcessorClock

KNOWN = 8
MAX_SECONDS = 0.001
ALONE = 33
SHORT, LONG = HOP_SECONDS / 2, HOP_SECONDS * 2


class SlowRunner(GatedRunner):
    """Takes processor time: longer than the way to a worker costs."""

    def __init__(self, clock: ProcessorClock) -> None:
        super().__init__()
        self._clock = clock

    def run_rows(self, rows: Sequence[Row]) -> list[RowResult]:
        self._clock.now += LONG
        return super().run_rows(rows)


def ran(places: RunPlaces, lengths: list[int], seconds: float, place: Place = Place.WORKER) -> None:
    for _ in range(KNOWN):
        places.ran(lengths, seconds, place)


def test_a_shape_is_on_the_event_loop_once_its_runs_are_known_to_be_short() -> None:
    places = RunPlaces(MAX_SECONDS)
    assert places.of([3]) is Place.WORKER
    ran(places, [3], SHORT)
    assert places.of([3]) is places.of([4]) is Place.EVENT_LOOP
    # Nothing is known of longer ones, and of more rows.
    assert places.of([5]) is places.of([3, 3]) is Place.WORKER


def test_first_runs_that_are_slower_than_later_ones_are_no_measure() -> None:
    places = RunPlaces(MAX_SECONDS)
    places.ran([3], 100 * SHORT, Place.WORKER)
    ran(places, [3], SHORT)
    assert places.of([3]) is Place.EVENT_LOOP


def test_what_takes_longer_than_the_way_to_a_worker_stays_there() -> None:
    places = RunPlaces(MAX_SECONDS)
    ran(places, [3], LONG)
    assert places.of([3]) is Place.WORKER


def test_longer_runs_are_on_the_event_loop_while_requests_come_one_at_a_time() -> None:
    company = Company()
    places = RunPlaces(MAX_SECONDS, company)
    ran(places, [3], LONG)
    ran(places, [30], 0.6 * MAX_SECONDS)
    for _ in range(ALONE):
        assert places.of([3]) is Place.WORKER
        company.came()
        company.left()
    assert places.of([3]) is Place.EVENT_LOOP
    assert places.of([30]) is Place.WORKER  # others of its shape might take longer than the bound
    company.came()
    assert places.of([3]) is Place.EVENT_LOOP
    company.came()
    assert places.of([3]) is Place.WORKER


def test_a_shape_that_gets_slower_goes_back_to_the_workers() -> None:
    places = RunPlaces(MAX_SECONDS)
    ran(places, [3], SHORT)
    for _ in range(50):
        places.ran([3], LONG, Place.EVENT_LOOP)
    assert places.of([3]) is Place.WORKER


def test_one_run_that_was_interrupted_changes_little() -> None:
    places = RunPlaces(MAX_SECONDS)
    ran(places, [3], SHORT)
    places.ran([3], 100 * SHORT, Place.WORKER)
    assert places.of([3]) is Place.EVENT_LOOP


def test_one_run_above_the_bound_bars_the_model_for_a_while() -> None:
    places = RunPlaces(MAX_SECONDS)
    ran(places, [3], SHORT)
    ran(places, [1], SHORT)
    places.ran([3], 1.1 * MAX_SECONDS, Place.EVENT_LOOP)
    for _ in range(1000):
        assert places.of([1]) is Place.WORKER
        places.ran([1], SHORT, Place.WORKER)
    assert places.of([1]) is Place.EVENT_LOOP


def test_nothing_is_on_the_event_loop_without_a_bound() -> None:
    places = RunPlaces(0.0)
    ran(places, [3], SHORT)
    assert places.of([3]) is Place.WORKER


@pytest.mark.usefixtures("clock")
async def test_short_runs_need_no_worker_and_are_counted(meter: Meter) -> None:
    bench = Bench(meter, max_inline_seconds=1.0)
    target = servable(bench.runner, batched=True)
    await _make_known(bench, target)
    answers = [await task for task in await bench.asked(target, 2, 2, 2)]
    assert [answer.outputs.tolist() for answer in answers] == [[[2.0]]] * 3
    assert {answer.batch_size for answer in answers} == {3}
    assert len(bench.executor) == 0
    assert meter.value("soloist_runs_total", place="event-loop") == 1
    assert meter.value("soloist_runs_total", place="worker") == 2 * KNOWN


@pytest.mark.usefixtures("clock")
async def test_a_poisoned_row_fails_alone_there_as_well(meter: Meter) -> None:
    bench = Bench(meter, max_inline_seconds=1.0)
    target = servable(bench.runner, batched=True)
    await _make_known(bench, target)
    tasks = [bench.ask(target, 2), bench.ask(target, 2, value=POISON), bench.ask(target, 2)]
    await turns()
    assert len(bench.executor) == 0
    assert [task.exception() is None for task in tasks] == [True, False, True]
    # The next ones are answered as if nothing had been.
    assert (await bench.ask(target, 2)).outputs.tolist() == [[2.0]]


@pytest.mark.usefixtures("clock")
async def test_long_sequences_run_in_slices_that_share_the_turn(meter: Meter) -> None:
    bench = Bench(meter, max_inline_seconds=1.0)
    target = servable(bench.runner, batched=True, sliced=True)
    for _ in range(KNOWN):
        tasks = await bench.asked(target, 4)
        await bench.executor.finish_all()
        await asyncio.gather(*tasks)
    assert (await bench.ask(target, 12)).outputs.tolist() == [[12.0]]
    assert len(bench.executor) == 0


async def test_runs_hold_the_event_loop_for_no_longer_than_the_bound_in_a_turn(meter: Meter) -> None:
    bench = Bench(meter, max_inline_seconds=HOP_SECONDS, max_queued=500)
    target = servable(bench.runner)
    for _ in range(KNOWN):
        tasks = await bench.asked(target, 2)
        await bench.executor.finish_all()
        await asyncio.gather(*tasks)
    runs_by_turn = []
    tasks = [bench.ask(target, 2) for _ in range(300)]
    while not all(task.done() for task in tasks):
        before = len(bench.runner.runs)
        await asyncio.sleep(0)
        runs_by_turn.append(len(bench.runner.runs) - before)
        await bench.executor.finish_all() if len(bench.executor) else None
    assert sum(runs_by_turn) <= 300
    assert max(runs_by_turn) < 300


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("batched", [False, True])
async def test_a_cancelled_job_leaves_before_it_runs(meter: Meter, batched: bool) -> None:
    bench = Bench(meter, max_inline_seconds=1.0)
    target = servable(bench.runner, batched=batched)
    await _make_known(bench, target)
    before = len(bench.runner.runs)
    task = bench.ask(target, 2)
    task.cancel()
    await turns()
    assert task.cancelled()
    assert len(bench.runner.runs) == before


@pytest.mark.usefixtures("clock")
async def test_what_could_share_no_run_runs_at_once(meter: Meter) -> None:
    bench = Bench(meter, max_inline_seconds=1.0)
    target = servable(bench.runner)
    await _make_known(bench, target)
    before = len(bench.runner.runs)
    answers = [bench.ask(target, 2), bench.ask(target, 2, every_frame=True), bench.ask(target, 2, value=POISON)]
    await asyncio.sleep(0)
    assert len(bench.runner.runs) == before + 3
    assert answers[0].result().outputs.tolist() == [[2.0]]
    assert answers[1].result().outputs.tolist() == [[1.0], [2.0]]
    assert isinstance(answers[2].exception(), RuntimeError)
    assert meter.value("soloist_runs_total", place="event-loop") == 2


@pytest.mark.parametrize("batched", [False, True])
async def test_requests_that_come_one_at_a_time_save_the_way_to_a_worker(
    meter: Meter, clock: ProcessorClock, batched: bool
) -> None:
    bench = Bench(meter, max_inline_seconds=1.0)
    target = servable(SlowRunner(clock), batched=batched)
    for _ in range(ALONE):
        (task,) = await bench.asked(target, 2)
        await bench.executor.finish_all()
        await task
    before = meter.value("soloist_runs_total", place="worker")
    assert (await bench.ask(target, 2)).outputs.tolist() == [[2.0]]
    assert meter.value("soloist_runs_total", place="worker") == before
    tasks = await bench.asked(target, 2, 2)  # two at once, and from then on they aren't alone
    await bench.executor.finish_all()
    (alone,) = await bench.asked(target, 2)
    assert len(bench.executor) == 1
    await bench.executor.finish_all()
    await asyncio.gather(*tasks, alone)


@pytest.mark.usefixtures("clock")
async def test_nothing_runs_at_once_while_others_wait(meter: Meter) -> None:
    bench = Bench(meter, max_inline_seconds=1.0)
    target, other = servable(bench.runner), servable(bench.runner, name="other")
    await _make_known(bench, target)
    waiting = await bench.asked(other, 1, 1)  # the one worker is busy with the first
    late = bench.ask(target, 2)
    await turns()
    assert not late.done()
    await bench.executor.finish_all()
    assert (await late).outputs.tolist() == [[2.0]]
    await asyncio.gather(*waiting)


async def _make_known(bench: Bench, target: Servable) -> None:
    """Let runs of one and, if they may share one, of three sequences become known, on the workers."""
    for lengths in ((2,), (2, 2, 2)) if target.batched else ((2,),):
        for _ in range(KNOWN):
            tasks = await bench.asked(target, *lengths)
            await bench.executor.finish_all()
            await asyncio.gather(*tasks)


@pytest.mark.usefixtures("clock")
async def test_the_only_request_of_a_turn_needs_no_queue_and_a_second_shares_its_run(meter: Meter) -> None:
    bench = Bench(meter, max_inline_seconds=1.0)
    target = servable(bench.runner, batched=True)
    await _make_known(bench, target)
    for _ in range(KNOWN):  # runs of two as well
        tasks = await bench.asked(target, 2, 2)
        await bench.executor.finish_all()
        await asyncio.gather(*tasks)
    assert (await bench.ask(target, 2)).batch_size == 1
    answers = await asyncio.gather(bench.ask(target, 2), bench.ask(target, 2))
    assert [answer.batch_size for answer in answers] == [2, 2]
    assert [answer.outputs.tolist() for answer in answers] == [[[2.0]], [[2.0]]]
    poisoned, sound = bench.ask(target, 2, value=POISON), bench.ask(target, 2)
    await turns()
    assert isinstance(poisoned.exception(), RuntimeError)
    assert sound.result().outputs.tolist() == [[2.0]]
    assert len(bench.executor) == 0
