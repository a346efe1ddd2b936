from __future__ import annotations

import asyncio

import numpy as np
import pytest

from service.engine.row import Row
from service.loading.servable import Servable
from service.serving.batcher import Answer
from tests.servables import servable
from tests.unit.service.awaited_executor import turns
from tests.unit.service.batcher_bench import SLICE, Bench
from tests.unit.service.conftest import Meter

LONG = 1.0
ALWAYS = 3600.0


@pytest.fixture
def bench(meter: Meter) -> Bench:
    return Bench(meter, max_gather_seconds=ALWAYS)


async def test_a_run_waits_for_a_request_that_is_on_its_way(bench: Bench) -> None:
    target = servable(bench.runner, batched=True)
    bench.batcher.on_the_way.begin()
    tasks = await bench.asked(target, 3)
    assert not len(bench.executor)
    tasks.append(await _arrives(bench, target, 2))
    await bench.executor.finish_all()
    assert bench.runner.runs == [[2, 3]]
    await asyncio.gather(*tasks)


async def test_a_request_that_never_arrives_is_waited_for_no_more_once_it_has_ended(bench: Bench) -> None:
    bench.batcher.on_the_way.begin()
    tasks = await bench.asked(servable(bench.runner, batched=True), 3)
    bench.batcher.on_the_way.end()
    await turns()
    await bench.executor.finish_all()
    assert bench.runner.runs == [[3]]
    await asyncio.gather(*tasks)


async def test_no_run_waits_for_a_request_that_takes_long(meter: Meter) -> None:
    bench = Bench(meter, max_gather_seconds=1e-9)
    bench.batcher.on_the_way.begin()
    tasks = await bench.asked(servable(bench.runner, batched=True), 3)
    await bench.executor.finish_all()
    assert bench.runner.runs == [[3]]
    await asyncio.gather(*tasks)


async def test_a_queue_whose_jobs_have_all_expired_waits_for_none(bench: Bench) -> None:
    target, errors = servable(bench.runner, batched=True), []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, what: errors.append(what))
    running = await bench.asked(target, 3)
    late = await bench.asked(target, 3)
    late[0].cancel()
    await turns()
    bench.batcher.on_the_way.begin()
    await bench.executor.finish_all()
    await asyncio.gather(*running)
    assert bench.runner.runs == [[3]]
    assert not errors


async def test_a_run_that_is_full_waits_for_none(bench: Bench) -> None:
    bench.batcher.on_the_way.begin()
    tasks = await bench.asked(servable(bench.runner, batched=True), *[1] * 8)
    await bench.executor.finish_all()
    assert bench.runner.runs == [[1] * 8]
    await asyncio.gather(*tasks)


async def test_a_model_that_shares_no_run_waits_for_none(bench: Bench) -> None:
    bench.batcher.on_the_way.begin()
    tasks = await bench.asked(servable(bench.runner), SLICE)
    await bench.executor.finish_all()
    assert bench.runner.runs == [[SLICE]]
    await asyncio.gather(*tasks)


async def test_a_short_run_waits_too(meter: Meter) -> None:
    bench = Bench(meter, max_gather_seconds=ALWAYS, max_inline_seconds=LONG)
    target = servable(bench.runner, batched=True)
    for _ in range(9):  # until its time is known
        (task,) = await bench.asked(target, 3)
        await bench.executor.finish_all()
        await task
    ran = len(bench.runner.runs)
    bench.batcher.on_the_way.begin()
    tasks = await bench.asked(target, 3)
    assert bench.runner.runs[ran:] == []
    tasks.append(await _arrives(bench, target, 3))
    await bench.executor.finish_all()
    assert bench.runner.runs[ran:] == [[3, 3]]
    await asyncio.gather(*tasks)


async def test_a_request_has_company_while_another_is_on_its_way(meter: Meter) -> None:
    bench = Bench(meter, max_inline_seconds=LONG)
    target = servable(bench.runner, batched=True)
    for _ in range(64):  # until it is known that requests come one at a time
        (task,) = await bench.asked(target, 3)
        await bench.executor.finish_all()
        await task
    bench.batcher.on_the_way.begin()
    tasks = await bench.asked(target, 3, 3)
    await bench.executor.finish_all()
    await asyncio.gather(*tasks)
    assert bench.runner.runs[-1] == [3, 3]


async def _arrives(bench: Bench, target: Servable, length: int) -> asyncio.Task[Answer]:
    """Submit a request that was on its way in the same step in which it is there."""

    async def arrive() -> Answer:
        bench.batcher.on_the_way.end()
        row = Row(frames=np.ones((length, 1), np.float32), states=target.runner.initial_states())
        return await bench.batcher.submit(target, row, every_frame=False, deadline=None)

    task = asyncio.ensure_future(arrive())
    await turns()
    return task
