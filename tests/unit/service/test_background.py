"""Work off the request path: what fails is counted and told once, and the next turn comes."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from service.core.failures import Failures, start_threads
from service.core.health import API, SERVER, Health
from service.observers.background_worker import BackgroundWorker
from tests.unit.service.conftest import Meter


def counted(meter: Meter, worker: str = "skew") -> float | None:
    return meter.value("soloist_background_failures_total", worker=worker)


def fail(_: object = None) -> Any:
    raise KeyError("what wasn't foreseen")


def test_a_failure_of_a_kind_and_place_is_told_once_and_counted_each_time(meter: Meter) -> None:
    failures = meter.failures
    observe = failures.guard("skew", fail)
    with capture_logs() as lines:
        assert [observe(each) for each in range(1000)] == [None] * 1000
        assert failures.guard("shadow", fail)() is None
    assert [(line["worker"], line["error"], line["event"]) for line in lines] == [
        ("skew", "KeyError", "background work failed"),
        ("shadow", "KeyError", "background work failed"),
    ]
    assert all(line["exc_info"] is not None and "test_background.py" in line["place"] for line in lines)
    assert (counted(meter), counted(meter, "shadow"), counted(meter, "accuracy")) == (1000, 1, 0)


def test_what_is_lost_is_told_though_other_work_failed_at_the_same_place(meter: Meter) -> None:
    """A full disk: the log's pruning failed first, and what it cost in predictions went unsaid."""

    def note(event: str) -> None:
        try:
            fail()
        except KeyError as error:
            meter.failures.note("prediction-log", error, event)

    with capture_logs() as lines:
        for event in ("background work failed", "predictions not written") * 2:
            note(event)
    assert [line["event"] for line in lines] == ["background work failed", "predictions not written"]


def test_what_a_guard_lets_through(meter: Meter) -> None:
    assert meter.failures.guard("skew", lambda value: value + 1)(1) == 2

    def leave() -> None:
        raise SystemExit

    with pytest.raises(SystemExit):
        meter.failures.guard("skew", leave)()


def test_a_thread_takes_its_next_turn_after_one_that_raised(meter: Meter) -> None:
    turns: list[Callable[[], bool]] = [fail, lambda: True, fail, fail, lambda: False, fail]
    taken = iter(turns)
    meter.failures.run("skew", lambda: next(taken)(), threading.Event())
    assert (counted(meter), len(list(taken))) == (3, 1)


def test_a_thread_that_cannot_go_on_is_told_to_whoever_asks_for_readiness() -> None:
    ended: list[tuple[str, str]] = []
    failures = Failures(CollectorRegistry(), lambda worker, why: ended.append((worker, why)))

    def leave() -> bool:
        raise SystemExit

    with capture_logs() as lines:
        failures.run("prediction-log", leave, threading.Event())
    assert ended == [("prediction-log", "prediction-log has ended: SystemExit")]
    assert [line["event"] for line in lines] == ["background worker ended"]


def test_the_item_in_progress_is_finished_at_the_end(meter: Meter) -> None:
    """A bundle that was half written when the server ended stayed in its folder under a hidden name."""
    begun, finished = threading.Event(), []

    def work(item: int) -> None:
        begun.set()
        threading.Event().wait(0.05)  # while the block ends
        finished.append(item)

    with BackgroundWorker("live-check", work, fail, meter.failures, max_queued=2, core_ratio=1.0) as worker:
        assert worker.offer(1)
        assert begun.wait(30)
    assert finished == [1]


async def test_a_task_takes_its_next_turn_after_one_that_raised(meter: Meter) -> None:
    done = asyncio.Event()
    turns = 0

    async def turn() -> float:
        nonlocal turns
        turns += 1
        if turns < 4:
            raise ValueError("not yet")
        done.set()
        return 3600.0

    task = asyncio.create_task(meter.failures.forever("accuracy", turn))
    await asyncio.wait_for(done.wait(), 30)
    task.cancel()
    await asyncio.wait([task])
    assert (task.cancelled(), turns, counted(meter, "accuracy")) == (True, 4, 3)


async def test_a_task_that_ends_by_an_error_makes_the_server_not_ready() -> None:
    health = Health()
    health.update({"m": True}, "")

    async def work() -> None:
        raise RuntimeError

    await Failures(CollectorRegistry(), health.fail).supervise("repository", work())
    assert health.why_not_ready == "repository has ended: RuntimeError"
    health.update({"m": True}, "")
    assert health.statuses[SERVER] is health.statuses[API] is False
    assert health.statuses["m"]


async def test_a_task_that_a_drain_cancels_is_no_failure(meter: Meter) -> None:
    task = asyncio.create_task(meter.failures.supervise("repository", asyncio.sleep(3600)))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    assert (task.cancelled(), counted(meter, "repository")) == (True, 0)


def test_a_background_worker_goes_on_after_work_that_raised(meter: Meter) -> None:
    done: list[int] = []

    def work(item: int) -> None:
        if item < 3:
            raise KeyError(item)
        done.append(item)

    with BackgroundWorker("skew", work, fail, meter.failures, max_queued=8, core_ratio=1.0) as worker:
        assert all(worker.offer(item) for item in range(5))
        worker.settle()
    assert (done, counted(meter)) == ([3, 4], 3)
    assert not worker.offer(5)


def test_a_background_worker_ends_though_what_waits_cannot_be_dropped(meter: Meter) -> None:
    worker = BackgroundWorker("skew", fail, fail, meter.failures, max_queued=2, core_ratio=1.0)
    assert [worker.offer(item) for item in range(3)] == [True, True, False]
    worker.__exit__(None, None, None)  # never started: all that waits is dropped
    worker.offer(4)
    assert counted(meter) == 2


class NoMoreThreads(ThreadPoolExecutor):
    """Can't start one, as where the system has no more."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:  # noqa: ARG002
        raise RuntimeError("can't start new thread")


def test_threads_are_started_before_anybody_needs_one() -> None:
    with ThreadPoolExecutor(3, thread_name_prefix="early") as executor:
        start_threads(executor, 3)
        assert sum(thread.name.startswith("early") for thread in threading.enumerate()) == 3
        # A task that is handed over finds one, and none is started for it.
        assert executor.submit(threading.current_thread).result().name.startswith("early")
    with NoMoreThreads(1) as executor, pytest.raises(RuntimeError, match="can't start new thread"):
        start_threads(executor, 1)
