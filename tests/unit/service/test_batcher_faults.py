"""Whatever is raised around a run: its worker is free again, and every job of it is answered."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, NoReturn

import numpy as np
import pytest

from service.core.errors import Reason, ServiceError
from service.engine.runner import Row, RowResult
from tests.servables import GatedRunner, servable
from tests.unit.service.awaited_executor import AwaitedExecutor, turns
from tests.unit.service.batcher_bench import SLICE, Bench
from tests.unit.service.conftest import Meter


class _BrokenError(Exception):
    pass


def _raise(*_: Any, **__: Any) -> NoReturn:
    raise _BrokenError


class _BrokenRunObserver:
    ran = staticmethod(_raise)


class _NoThreads(AwaitedExecutor):
    """Refuses the first calls, as an executor does when no thread can be started."""

    def __init__(self, refusals: int) -> None:
        super().__init__()
        self.refusals = refusals

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        if self.refusals:
            self.refusals -= 1
            raise RuntimeError("can't start new thread")
        return super().submit(fn, *args, **kwargs)


class _Widening(GatedRunner):
    """Gives three numbers a frame at first, and four from the second slice on."""

    def run_rows(self, rows: Sequence[Row]) -> list[RowResult]:
        return [
            self._wide(result, 3 + bool(row.states["sum"].any()))
            for row, result in zip(rows, super().run_rows(rows), strict=True)
        ]

    @staticmethod
    def _wide(result: RowResult, width: int) -> RowResult:
        return RowResult(outputs=np.repeat(result.outputs, width, axis=1), states=result.states)


@pytest.mark.parametrize("what", ["observe_runs", "run_observer", "on_run", "select_batch", "thread", "cancelled"])
async def test_workers_are_free_again_and_callers_are_told(meter: Meter, what: str) -> None:
    hooks: dict[str, dict[str, Any]] = {
        "observe_runs": {"observe_runs": _raise},
        "run_observer": {"observe_runs": lambda *_: _BrokenRunObserver()},
        "on_run": {"on_run": _raise},
        "select_batch": {"select_batch": _raise},
    }
    executor = _NoThreads(2 if what == "thread" else 0)
    broken = Bench(meter, executor=executor, hooks=hooks.get(what, {}), workers=1)
    target = servable(broken.runner, batched=True)
    for _ in range(2):
        tasks = await broken.asked(target, 2, 3)
        if what == "cancelled":
            executor.cancel_all()
        await broken.executor.finish_all()
        reported = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), timeout=5)
        assert all(isinstance(each, Exception) for each in reported)
    broken.mend()
    tasks = await broken.asked(target, 2, 3)
    await broken.executor.finish_all()
    assert [(await task).outputs.item() for task in tasks] == [2, 3]


async def test_a_model_whose_width_changes_between_slices_is_told_and_stops_nobody(meter: Meter) -> None:
    bench = Bench(meter)
    target = servable(_Widening(), batched=True, sliced=True)
    every, last = (bench.ask(target, 2 * SLICE, every_frame=each) for each in (True, False))
    short = bench.ask(target, 1)
    await turns()
    await bench.executor.finish_all()
    for task in (every, last):
        with pytest.raises(ServiceError, match=r"'outputs' are \[3\] a frame .*, and \[4\]") as caught:
            await task
        assert caught.value.reason is Reason.GRAPH_REFUSED
    assert (await short).outputs.tolist() == [[1, 1, 1]]
