"""Comparisons that are under way at once are bounded, and one that ends makes room."""

from __future__ import annotations

import asyncio

import pytest

from service.comparison import Comparisons
from service.core.errors import Reason, ServiceError
from tests.unit.service.awaited_executor import AwaitedExecutor, turns


async def test_one_too_many_is_refused_at_once() -> None:
    executor = AwaitedExecutor()
    comparisons = Comparisons(executor, max_comparisons=2)
    with comparisons.admit():
        with comparisons.admit(), pytest.raises(ServiceError) as caught, comparisons.admit():
            pass
        with comparisons.admit():
            pass
    assert caught.value.reason is Reason.TOO_MANY_COMPARISONS
    assert caught.value.facts == {"comparisons": 2, "max_comparisons": 2}
    assert len(executor) == 0


async def test_work_is_done_on_the_executor_and_its_errors_come_back() -> None:
    executor = AwaitedExecutor()
    comparisons = Comparisons(executor, max_comparisons=1)
    good = asyncio.ensure_future(comparisons.run(lambda: 3))
    bad = asyncio.ensure_future(comparisons.run(lambda: 1 // 0))
    await turns()
    assert not good.done()
    await executor.finish_all()
    assert await good == 3
    with pytest.raises(ZeroDivisionError):
        await bad
