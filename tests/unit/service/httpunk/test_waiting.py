"""What httpunk waits with: nothing is lost and nobody is forgotten, also when those who wait are cancelled."""

from __future__ import annotations

import asyncio

import pytest

from service.transport.httpunk.waiting import Event, Lock, Queue
from tests.unit.service.awaited_executor import turns


async def test_an_event_wakes_all_and_stays_set() -> None:
    event = Event()
    tasks = [asyncio.create_task(event.wait()) for _ in range(3)]
    await turns()
    tasks[1].cancel()
    await turns()
    event.set()
    event.set()
    assert all(await asyncio.gather(tasks[0], tasks[2]))
    assert event.is_set()
    assert await event.wait()
    event.clear()
    assert not event.is_set()


async def test_a_queue_keeps_its_order_and_loses_nothing_to_a_read_that_is_cancelled() -> None:
    queue = Queue()
    queue.send(1)
    assert await queue.receive() == 1
    reading = asyncio.create_task(queue.receive())
    await turns()
    queue.send(2)
    queue.send(3)
    reading.cancel()  # after it was woken, before it ran
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert [await queue.receive(), await queue.receive()] == [2, 3]


async def test_a_queue_is_for_one_who_reads() -> None:
    queue = Queue()
    reading = asyncio.create_task(queue.receive())
    await turns()
    with pytest.raises(RuntimeError):
        await queue.receive()
    queue.send(None)
    assert await reading is None


async def test_a_lock_has_one_holder_and_is_passed_on_by_one_who_is_cancelled() -> None:
    lock, inside, most = Lock(), 0, 0

    async def hold() -> None:
        nonlocal inside, most
        async with lock:
            inside += 1
            most = max(most, inside)
            await turns()
            inside -= 1

    async with lock:
        tasks = [asyncio.create_task(hold()) for _ in range(4)]
        await turns()
    tasks[0].cancel()  # it has just been woken
    assert isinstance((await asyncio.gather(*tasks, return_exceptions=True))[0], asyncio.CancelledError)
    assert (inside, most) == (0, 1)
    assert all(task.done() for task in tasks)
