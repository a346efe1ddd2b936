"""Reading ahead over a transport that doesn't tell what has arrived: when it is tried, and how far it goes."""

from __future__ import annotations

import asyncio
from collections import deque

import pytest

from service.core.errors import Reason, ServiceError
from service.core.time_limits import TimeLimits
from service.transport.admission import Admission, CallLimits, Held
from service.transport.read_ahead import ReadAhead

LIMITS = CallLimits(max_message_bytes=2**20, idle_seconds=60, max_connection_bytes=2**20)


class Caller:
    """What a caller has sent. A read takes a turn of the event loop; without a message it waits until `arrived`."""

    def __init__(self, *sent: bytes | Exception | None) -> None:
        self.sent = deque(sent)
        self.reads = 0
        self.arrived = asyncio.Event()
        self.held = Held(Admission(LIMITS), "ipv4:127.0.0.1:1", "ipv4:127.0.0.1")

    async def read(self) -> bytes | None:
        self.reads += 1
        await asyncio.sleep(0)
        if not self.sent:
            await self.arrived.wait()
            return b"next"
        found = self.sent.popleft()
        if isinstance(found, Exception):
            raise found
        return found


async def turns(count: int = 100) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


def busy(caller: Caller) -> ReadAhead:
    """Return a reader whose handler has the first chunk."""
    reader = ReadAhead(caller.held, caller.read)
    reader.begin()
    reader.begin()
    return reader


async def test_what_was_read_comes_in_order_and_then_the_end() -> None:
    reader = busy(caller := Caller(b"one", b"", b"three", None))
    await turns()
    assert [reader.ready(), reader.ready(), reader.ready(), reader.ready()] == [b"one", b"", b"three", None]
    assert reader.is_reading
    assert await reader.next() is None
    assert caller.held.size == 0


async def test_an_error_comes_after_the_messages_before_it() -> None:
    reader = busy(Caller(b"one", ServiceError(Reason.MALFORMED_MESSAGE, expected="a message")))
    assert await reader.next() == b"one"
    with pytest.raises(ServiceError) as caught:
        await reader.next()
    assert caught.value.reason is Reason.MALFORMED_MESSAGE


@pytest.mark.parametrize(("message", "most"), [(b"small", 32), (bytes(100_000), 3)])
async def test_it_reads_no_further_than_its_bounds(message: bytes, most: int) -> None:
    reader = busy(caller := Caller(*[message] * 100))
    await turns(300)
    assert caller.reads == most
    assert caller.held.size == most * len(message)
    while reader.ready() is not None:
        pass
    assert caller.held.size == 0


async def test_for_callers_that_wait_it_is_tried_ever_more_rarely() -> None:
    caller = Caller()
    reader = ReadAhead(caller.held, caller.read)
    tries = 0
    for _ in range(200):
        reader.begin()
        is_tried = reader.is_reading
        tries += is_tried
        await turns(3)
        assert reader.ready() is None
        if is_tried:  # the next message comes once the answer is written
            caller.arrived.set()
            assert await reader.next() == b"next"
            await turns(3)
            caller.arrived.clear()
    assert 1 < tries <= 5 + 200 // 16


async def test_its_failure_ends_a_write_that_waits() -> None:
    full = ServiceError(Reason.MEMORY_FULL, scope="the connection", bytes=2, max_bytes=1)
    reader = busy(Caller(b"one", full))
    reader.writing = TimeLimits().within(60)
    with pytest.raises(TimeoutError), reader.writing:
        await asyncio.Event().wait()
    assert reader.failure is full
