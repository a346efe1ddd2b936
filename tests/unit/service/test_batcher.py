from __future__ import annotations

import asyncio
import time
from itertools import chain

import numpy as np
import pytest

from service.core.errors import Reason, ServiceError
from service.loading.servable import Servable
from service.serving.batcher import Answer
from tests.servables import POISON, GatedRunner, servable
from tests.unit.service.awaited_executor import turns
from tests.unit.service.batcher_bench import SLICE, Bench
from tests.unit.service.conftest import Meter


@pytest.fixture
def bench(meter: Meter) -> Bench:
    return Bench(meter)


async def test_what_comes_in_one_turn_shares_a_run(bench: Bench, meter: Meter) -> None:
    tasks = await bench.asked(servable(bench.runner, batched=True), 3, 2, 4)
    await bench.executor.finish_all()
    assert bench.runner.runs == [[2, 3, 4]]
    answers = await asyncio.gather(*tasks)
    assert [answer.outputs.tolist() for answer in answers] == [[[3.0]], [[2.0]], [[4.0]]]
    assert {answer.batch_size for answer in answers} == {3}
    labels = {"model": "gated", "version": "1"}
    assert meter.value("soloist_batch_size_sum", **labels) == 3
    assert meter.value("soloist_padding_ratio_sum", **labels) == 1 - 9 / 12


async def test_what_comes_while_the_worker_is_busy_shares_the_next_run(bench: Bench) -> None:
    target = servable(bench.runner, batched=True)
    tasks = await bench.asked(target, 3)
    for _ in range(4):
        tasks += await bench.asked(target, 2)
    assert len(bench.executor) == 1
    await bench.executor.finish_all()
    assert bench.runner.runs == [[3], [2, 2, 2, 2]]
    await asyncio.gather(*tasks)


async def test_an_uncertified_model_shares_no_run(bench: Bench) -> None:
    await asyncio.gather(*await _answered(bench, servable(bench.runner), 3, 2, 4))
    assert bench.runner.runs == [[3], [2], [4]]


async def test_as_many_runs_at_once_as_there_are_workers(meter: Meter) -> None:
    bench = Bench(meter, workers=2)
    tasks = await bench.asked(servable(bench.runner), 1, 2, 3, 4)
    assert len(bench.executor) == 2
    await bench.executor.finish()
    assert len(bench.executor) == 2
    await bench.executor.finish_all()
    await asyncio.gather(*tasks)


async def test_the_oldest_always_runs_next(bench: Bench) -> None:
    target = servable(bench.runner, batched=True)
    rng = np.random.default_rng(5)
    lengths = [int(length) for length in rng.permutation(np.arange(1, 41) ** 2)]
    tasks = await bench.asked(target, *lengths)
    waiting = set(range(len(lengths)))
    batches = 0
    while waiting:
        await bench.executor.finish()
        batches += 1
        ran = {index for index in waiting if tasks[index].done()}
        assert min(waiting) in ran
        waiting -= ran
    assert batches < len(lengths)


async def test_a_run_is_bounded_in_frames_and_in_sequences(meter: Meter) -> None:
    bench = Bench(meter, max_batch_size=3, max_batch_frames=8)
    await asyncio.gather(*await _answered(bench, servable(bench.runner, batched=True), *[4] * 4, *[2] * 6))
    assert [len(run) * max(run) <= 8 and len(run) <= 3 for run in bench.runner.runs] == [True] * len(bench.runner.runs)
    assert sorted(chain.from_iterable(bench.runner.runs)) == [2] * 6 + [4] * 4


async def test_a_long_sequence_takes_turns_with_single_frames(bench: Bench) -> None:
    target = servable(bench.runner, sliced=True)
    long = await bench.asked(target, 3 * SLICE)
    short = await bench.asked(target, 1)
    await bench.executor.finish()
    short += await bench.asked(target, 1)
    await bench.executor.finish_all()
    assert bench.runner.runs == [[SLICE], [1], [SLICE], [1], [SLICE]]
    await asyncio.gather(*long, *short)


async def test_slices_add_up_to_the_whole(bench: Bench) -> None:
    target = servable(bench.runner, sliced=True)
    every, last = bench.ask(target, 2 * SLICE + 1, every_frame=True), bench.ask(target, 2 * SLICE + 1)
    await turns()
    await bench.executor.finish_all()
    assert (await every).outputs.ravel().tolist() == list(range(1, 2 * SLICE + 2))
    assert (await last).outputs.tolist() == [[2 * SLICE + 1]]
    assert (await last).states["sum"].tolist() == [[2 * SLICE + 1]]


async def test_two_models_take_turns(bench: Bench) -> None:
    busy, quiet = GatedRunner(), GatedRunner()
    tasks = await bench.asked(servable(busy, name="busy"), *[1] * 5)
    tasks += await bench.asked(servable(quiet, name="quiet"), 1)
    await bench.executor.finish()
    await bench.executor.finish()
    await bench.executor.finish()
    assert (len(busy.runs), len(quiet.runs)) == (2, 1)
    await bench.executor.finish_all()
    await asyncio.gather(*tasks)


async def test_what_is_cancelled_in_the_queue_never_runs(bench: Bench) -> None:
    target = servable(bench.runner, batched=True)
    _running, cancelled, staying = await _behind(bench, target, 2, 3)
    cancelled.cancel()
    await turns()
    await bench.executor.finish_all()
    assert bench.runner.runs == [[1], [3]]
    assert (await staying).outputs.tolist() == [[3.0]]


async def test_what_is_cancelled_while_it_runs_leaves_the_others_their_answers(bench: Bench) -> None:
    cancelled, staying = await bench.asked(servable(bench.runner, batched=True), 2, 3)
    cancelled.cancel()
    await turns()
    await bench.executor.finish_all()
    assert (await staying).outputs.tolist() == [[3.0]]


async def test_a_long_sequence_that_is_cancelled_runs_no_further(bench: Bench) -> None:
    (long,) = await bench.asked(servable(bench.runner, sliced=True), 10 * SLICE)
    await bench.executor.finish()
    long.cancel()
    await turns()
    await bench.executor.finish_all()
    assert len(bench.runner.runs) == 2  # the one that was under way is the last


async def test_what_is_past_its_deadline_never_runs(bench: Bench) -> None:
    target = servable(bench.runner)
    _, staying = await _behind(bench, target, 3)
    late = bench.ask(target, 2, deadline=time.monotonic() - 1)
    await turns()
    await bench.executor.finish_all()
    with pytest.raises(ServiceError) as caught:
        await late
    assert caught.value.reason is Reason.DEADLINE_EXCEEDED
    assert bench.runner.runs == [[1], [3]]
    await staying


async def test_a_full_queue_refuses_and_takes_again_when_there_is_room(meter: Meter) -> None:
    bench = Bench(meter, max_queued=2)
    target, other = servable(bench.runner), servable(bench.runner, name="other")
    waiting = await _behind(bench, target, 2, 3)
    with pytest.raises(ServiceError) as caught:
        await bench.ask(target, 4)
    assert caught.value.reason is Reason.QUEUE_FULL
    assert caught.value.facts == {"queued": 2}
    waiting += await bench.asked(other, 1)  # every model has a queue of its own
    waiting[1].cancel()
    await turns()
    waiting += await bench.asked(target, 4)
    await bench.executor.finish_all()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert bench.runner.runs == [[1], [1], [3], [4]]  # the other model has had no worker yet


async def test_a_row_that_fails_fails_nobody_else(bench: Bench, meter: Meter) -> None:
    target = servable(bench.runner, batched=True)
    poisoned, *neighbours = bench.ask(target, 2, value=POISON), bench.ask(target, 2), bench.ask(target, 3)
    await turns()
    await bench.executor.finish_all()
    answers = await asyncio.gather(*neighbours)
    with pytest.raises(RuntimeError):
        await poisoned
    assert [(answer.outputs.tolist(), answer.batch_size) for answer in answers] == [([[2.0]], 1), ([[3.0]], 1)]
    assert [sorted(run) for run in bench.runner.runs] == [[2, 2, 3], [2], [2], [3]]
    assert meter.value("soloist_batch_size_count", model="gated", version="1") == 2


async def test_a_row_that_fails_by_itself_runs_once(bench: Bench) -> None:
    poisoned = bench.ask(servable(bench.runner), 2, value=POISON)
    await turns()
    await bench.executor.finish_all()
    with pytest.raises(RuntimeError):
        await poisoned
    assert len(bench.runner.runs) == 1


async def _answered(bench: Bench, target: Servable, *lengths: int) -> list[asyncio.Task[Answer]]:
    tasks = await bench.asked(target, *lengths)
    await bench.executor.finish_all()
    return tasks


async def _behind(bench: Bench, target: Servable, *lengths: int) -> list[asyncio.Task[Answer]]:
    """Queue jobs behind one of one frame that runs; returns that one first."""
    return [*await bench.asked(target, 1), *await bench.asked(target, *lengths)]
