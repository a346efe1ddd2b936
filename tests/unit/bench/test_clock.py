"""One timer wakes all who wait for the machine's clock, each not before its time."""

from __future__ import annotations

import asyncio

import pytest

from bench.load_generator.clock import SystemClock


@pytest.mark.parametrize("awake_seconds", [0.0, 0.002])
async def test_sleepers_wake_in_the_order_of_their_times_and_none_too_soon(awake_seconds: float) -> None:
    clock = SystemClock(awake_seconds=awake_seconds)
    began, woken = clock.now(), []

    async def sleep(seconds: float) -> None:
        await clock.sleep_until(began + seconds)
        assert clock.now() >= began + seconds
        woken.append(seconds)

    async with asyncio.TaskGroup() as group:
        for seconds in (0.03, 0.01, 0.02, -1.0):
            group.create_task(sleep(seconds))
    assert woken == [-1.0, 0.01, 0.02, 0.03]


async def test_a_sleeper_that_is_cancelled_holds_nobody_up() -> None:
    clock = SystemClock()
    first = asyncio.create_task(clock.sleep_until(clock.now() + 0.01))
    second = asyncio.create_task(clock.sleep_until(clock.now() + 0.02))
    await asyncio.sleep(0)
    first.cancel()
    await second
    assert first.cancelled()
