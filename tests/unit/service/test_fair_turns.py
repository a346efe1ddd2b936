"""Callers and models share the workers by what they cost, and what can't be answered in time is refused at once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import pytest

from service.access.client import ALL_ROLES, Client
from service.core.errors import Reason, ServiceError
from service.engine.runner import Row, RowResult
from service.serving.call import Call
from tests.servables import GatedRunner, servable
from tests.unit.service.awaited_executor import turns
from tests.unit.service.batcher_bench import Bench
from tests.unit.service.conftest import Meter

_GREEDY, _POLITE = "10.0.0.1:1", "10.0.0.2:2"


class _SlowRunner(GatedRunner):
    """Takes its time on the calling thread."""

    def run_rows(self, rows: Sequence[Row]) -> list[RowResult]:
        time.sleep(0.06)
        return super().run_rows(rows)


class _ColdRunner(GatedRunner):
    """Takes its time over the first runs only, as a model does whose memory isn't there yet."""

    def __init__(self, cold_runs: int, seconds: float) -> None:
        super().__init__()
        self._cold_runs = cold_runs
        self._seconds = seconds

    def run_rows(self, rows: Sequence[Row]) -> list[RowResult]:
        if len(self.runs) < self._cold_runs:
            time.sleep(self._seconds)
        return super().run_rows(rows)


@pytest.fixture
def bench(meter: Meter) -> Bench:
    return Bench(meter)


async def test_a_caller_waits_for_one_run_of_another_who_has_many(bench: Bench) -> None:
    target = servable(bench.runner)
    greedy = await bench.asked(target, *[2] * 20, caller=_GREEDY)
    for _ in range(5):
        (polite,) = await bench.asked(target, 1, caller=_POLITE)
        await bench.executor.finish()  # was under way
        await bench.executor.finish()
        assert polite.done()
    assert bench.runner.runs[:4] == [[2], [1], [2], [1]]
    await bench.executor.finish_all()
    await asyncio.gather(*greedy)


async def test_as_many_callers_as_wait_are_the_bound(bench: Bench) -> None:
    target = servable(bench.runner)
    others = [await bench.asked(target, *[1] * 5, caller=str(number)) for number in range(4)]
    (last,) = await bench.asked(target, 2, caller=_POLITE)
    for _ in range(1 + 4 + 1):
        await bench.executor.finish()
    assert last.done()
    await bench.executor.finish_all()
    await asyncio.gather(*(task for tasks in others for task in tasks))


async def test_many_connections_of_a_client_that_is_known_have_one_turn(bench: Bench) -> None:
    target, client = servable(bench.runner), Client(name="greedy", roles=ALL_ROLES)
    calls = [Call(api="Predict", peer=f"ipv4:10.0.0.1:{port}", identity=client) for port in range(20)]
    greedy = [task for call in calls for task in await bench.asked(target, 2, caller=call.taker_of_turns)]
    polite_call = Call(api="Predict", peer="ipv4:10.0.0.2:1")
    (polite,) = await bench.asked(target, 1, caller=polite_call.taker_of_turns)
    await bench.executor.finish()  # was under way
    await bench.executor.finish()
    assert polite.done()
    await bench.executor.finish_all()
    await asyncio.gather(*greedy)


async def test_turns_are_by_frames_and_not_by_requests(bench: Bench) -> None:
    target = servable(bench.runner)
    long = await bench.asked(target, *[10] * 4, caller=_GREEDY)
    short = await bench.asked(target, *[1] * 30, caller=_POLITE)
    await bench.executor.finish_all()
    assert [run for (run,) in bench.runner.runs[:23]] == [10] + [1] * 10 + [10] + [1] * 10 + [10]
    await asyncio.gather(*long, *short)


async def test_who_is_silent_for_a_while_saves_no_turns_up(bench: Bench) -> None:
    target = servable(bench.runner)
    busy = await bench.asked(target, *[1] * 30, caller=_GREEDY)
    for _ in range(10):
        await bench.executor.finish()
    late = await bench.asked(target, *[1] * 10, caller=_POLITE)
    before = [task.done() for task in busy].count(True)
    for _ in range(10):
        await bench.executor.finish()
    assert [task.done() for task in busy].count(True) - before in (5, 6)
    await bench.executor.finish_all()
    await asyncio.gather(*busy, *late)


async def test_company_is_taken_along_whoever_it_is_of(bench: Bench) -> None:
    target = servable(bench.runner, batched=True)
    running = await bench.asked(target, 1, caller=_GREEDY)
    tasks = [*await bench.asked(target, 3, 3, caller=_GREEDY), *await bench.asked(target, 3, caller=_POLITE)]
    await bench.executor.finish_all()
    assert bench.runner.runs == [[1], [3, 3, 3]]
    await asyncio.gather(*running, *tasks)


async def test_a_slow_model_leaves_a_worker_to_quick_ones_that_are_in_use(meter: Meter) -> None:
    bench = Bench(meter, workers=2)
    slow, quick = servable(_SlowRunner(), name="slow"), servable(bench.runner, name="quick")
    known = [*await bench.asked(slow, 1), *await bench.asked(quick, 1)]
    await bench.executor.finish_all()
    waiting = await bench.asked(slow, *[1] * 4)
    assert len(bench.executor) == 1
    (answer,) = await bench.asked(quick, 1)
    assert len(bench.executor) == 2
    await bench.executor.finish_all()
    await asyncio.gather(*known, *waiting, answer)


async def test_slow_models_by_themselves_take_every_worker(meter: Meter) -> None:
    bench = Bench(meter, workers=2)
    slow, other = servable(_SlowRunner(), name="slow"), servable(_SlowRunner(), name="other")
    known = [*await bench.asked(slow, 1), *await bench.asked(other, 1)]
    await bench.executor.finish_all()
    waiting = await bench.asked(slow, *[1] * 4)
    assert len(bench.executor) == 2
    await bench.executor.finish_all()
    await asyncio.gather(*known, *waiting)


async def test_models_share_time_and_not_runs(meter: Meter) -> None:
    bench = Bench(meter)
    slow_runner = _SlowRunner()
    slow, quick = servable(slow_runner, name="slow"), servable(bench.runner, name="quick")
    tasks = [*await bench.asked(slow, *[1] * 3), *await bench.asked(quick, *[1] * 20)]
    for _ in range(1 + 20 + 1):
        await bench.executor.finish()
    assert len(bench.runner.runs) >= 19  # all of them ran while the slow one waited for its second turn
    await bench.executor.finish_all()
    await asyncio.gather(*tasks)


async def test_what_cannot_be_answered_in_time_is_refused_at_once(bench: Bench) -> None:
    target = servable(_SlowRunner())
    waiting = await bench.asked(target, *[1] * 4)
    for _ in range(3):
        await bench.executor.finish()
    waiting += await bench.asked(target, *[1] * 9)
    with pytest.raises(ServiceError, match="try again with backoff") as caught:
        await bench.ask(target, 1, deadline=time.monotonic() + 0.2)
    assert caught.value.reason is Reason.OVERLOADED
    assert set(caught.value.facts) == {"expected_seconds", "remaining_seconds"}
    in_time = bench.ask(target, 1, deadline=time.monotonic() + 60)
    by_itself = bench.ask(servable(_SlowRunner(), name="idle"), 1, deadline=time.monotonic() + 0.01)
    of_a_stream = bench.ask(target, 1, deadline=time.monotonic() + 0.2, may_wait=True)
    await turns()
    assert not in_time.done()
    assert not of_a_stream.done()
    for task in (by_itself, of_a_stream):
        task.cancel()
    await bench.executor.finish_all()
    await asyncio.gather(in_time, *waiting)


@pytest.mark.parametrize("known_runs", [2, 3, 6])
async def test_a_cold_start_refuses_nobody(bench: Bench, known_runs: int) -> None:
    target = servable(_ColdRunner(2, 0.2))
    waiting = await bench.asked(target, *[1] * 40)
    for _ in range(known_runs):
        await bench.executor.finish()
    in_time = bench.ask(target, 1, deadline=time.monotonic() + 5)  # the second answer came 0.2 s after the first
    await turns()
    assert not in_time.done()
    await bench.executor.finish_all()
    await asyncio.gather(in_time, *waiting)


async def test_a_cold_run_makes_nobody_late(bench: Bench) -> None:
    target = servable(_ColdRunner(1, 1.0))
    first = await bench.asked(target, 1)
    await bench.executor.finish()
    waiting = await bench.asked(target, *[1] * 4, deadline=time.monotonic() + 0.8)
    await bench.executor.finish_all()
    assert [answer.outputs.item() for answer in await asyncio.gather(*first, *waiting)] == [1] * 5


async def test_a_caller_with_little_is_not_refused_for_one_with_much(bench: Bench) -> None:
    target = servable(_SlowRunner())
    waiting = await bench.asked(target, *[1] * 20, caller=_GREEDY)
    for _ in range(4):
        await bench.executor.finish()
    (polite,) = await bench.asked(target, 1, caller=_POLITE, deadline=time.monotonic() + 0.6)
    with pytest.raises(ServiceError):
        await bench.ask(target, 1, caller=_GREEDY, deadline=time.monotonic() + 0.6)
    for _ in range(2):
        await bench.executor.finish()
    assert (await polite).outputs.item() == 1
    await bench.executor.finish_all()
    await asyncio.gather(*waiting)


async def test_a_burst_that_can_share_a_run_is_not_refused(bench: Bench) -> None:
    target = servable(_SlowRunner(), batched=True)
    known = await bench.asked(target, *[1] * 3)
    for _ in range(3):
        await bench.executor.finish_all()
        known += await bench.asked(target, 1)
        known += await bench.asked(target, 1)
    burst = [bench.ask(target, 1, deadline=time.monotonic() + 0.5) for _ in range(8)]
    await turns()
    assert not any(each.done() for each in burst)
    await bench.executor.finish_all()
    await asyncio.gather(*known, *burst)


async def test_a_full_queue_takes_what_may_wait(meter: Meter) -> None:
    bench = Bench(meter, max_queued=1)
    target = servable(bench.runner)
    waiting = [*await bench.asked(target, 1), *await bench.asked(target, 1)]
    with pytest.raises(ServiceError) as caught:
        await bench.ask(target, 1)
    assert caught.value.reason is Reason.QUEUE_FULL
    waiting += await bench.asked(target, 1, may_wait=True)
    await bench.executor.finish_all()
    await asyncio.gather(*waiting)


async def test_one_with_much_makes_room_for_one_with_little(meter: Meter) -> None:
    bench = Bench(meter, max_queued=4)
    target = servable(bench.runner)
    running = await bench.asked(target, 1, caller=_GREEDY)
    greedy = await bench.asked(target, *[2] * 4, caller=_GREEDY)
    polite = await bench.asked(target, 3, 3, caller=_POLITE)
    with pytest.raises(ServiceError):
        await bench.ask(target, 3, caller=_POLITE)  # now they have as much as each other
    for refused in greedy[2:]:
        with pytest.raises(ServiceError) as caught:
            await refused
        assert (caught.value.reason, caught.value.facts) == (Reason.QUEUE_FULL, {"queued": 4})
    await bench.executor.finish_all()
    await asyncio.gather(*running, *greedy[:2], *polite)
