"""Limits on the time of blocks: they end when they are due, and only the block that is."""

from __future__ import annotations

import asyncio

import pytest

from service.core.time_limits import TimeLimits

SHORT, LONG = 0.01, 60.0


async def never() -> None:
    await asyncio.get_running_loop().create_future()


async def test_what_takes_too_long_ends() -> None:
    limits = TimeLimits()
    for _ in range(2):  # the second after a timer that has rung
        with pytest.raises(TimeoutError), limits.within(SHORT):
            await never()
    await asyncio.sleep(0)  # nothing of it is left in the task


async def test_a_limit_that_began_later_ends_later() -> None:
    limits, ended = TimeLimits(), []

    async def wait(name: str) -> None:
        with pytest.raises(TimeoutError), limits.within(SHORT):
            await never()
        ended.append(name)

    first = asyncio.create_task(wait("first"))
    await asyncio.sleep(SHORT / 2)
    await asyncio.gather(first, wait("second"))
    assert ended == ["first", "second"]


async def test_what_ends_in_time_is_not_disturbed() -> None:
    limits = TimeLimits()
    with limits.within(SHORT):
        await asyncio.sleep(0)
    with limits.within(LONG):
        await asyncio.sleep(3 * SHORT)


async def test_a_limit_may_begin_again_and_has_all_its_time() -> None:
    limit = TimeLimits().within(SHORT)
    for _ in range(3):
        with limit:
            await asyncio.sleep(0)
        await asyncio.sleep(SHORT / 2)
    for _ in range(2):  # also after it has expired
        with pytest.raises(TimeoutError), limit:
            await never()
    await asyncio.sleep(0)


async def test_somebody_may_end_a_block_without_a_limit() -> None:
    limit = TimeLimits().within(None)
    asyncio.get_running_loop().call_soon(limit.expire)
    with pytest.raises(TimeoutError), limit:
        await never()
    assert limit.expired
    limit.expire()  # too late for anything
    await asyncio.sleep(0)


async def test_a_cancellation_from_elsewhere_stays_one() -> None:
    limits = TimeLimits()

    async def wait() -> None:
        with limits.within(LONG):
            await never()

    task = asyncio.create_task(wait())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_cancellation_together_with_the_limit_is_heard() -> None:
    limit = TimeLimits().within(None)

    async def wait() -> None:
        with limit:
            await never()

    task = asyncio.create_task(wait())
    await asyncio.sleep(0)
    limit.expire()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_of_two_blocks_the_one_that_is_due_ends() -> None:
    limits = TimeLimits()
    with limits.within(LONG) as outer, pytest.raises(TimeoutError), limits.within(SHORT):
        await never()
    assert not outer.expired
