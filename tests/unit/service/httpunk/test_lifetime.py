from __future__ import annotations

import asyncio

import pytest

from bench.gates.http2 import DATA, PING, PREFACE, SETTINGS, frame
from service.transport.connection_limits import ConnectionLimits
from service.transport.httpunk.lifetime import Lifetime

PING_FRAME = frame(PING, 0, 0, b"8 octets")
PING_ACK = frame(PING, 1, 0, b"8 octets")


class FakeConnection:
    """What a lifetime does to its connection."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.written = b""
        self.calls = False

    def abort(self) -> None:
        self.done.append("abort")

    def close(self) -> None:
        self.done.append("close")

    def go_away(self) -> None:
        self.done.append("go away")

    def write(self, data: bytes) -> None:
        self.written += data

    def has_calls(self) -> bool:
        return self.calls


@pytest.fixture
async def connection() -> FakeConnection:
    return FakeConnection()


@pytest.fixture
async def lifetime(connection: FakeConnection) -> Lifetime:
    limits = ConnectionLimits(max_message_bytes=1000, min_ping_interval_seconds=60)
    begun = Lifetime(connection, limits, asyncio.get_running_loop())
    begun.received(PREFACE + frame(SETTINGS, 0, 0, b""))
    return begun


async def test_pings_that_come_too_often_end_a_connection(connection: FakeConnection, lifetime: Lifetime) -> None:
    for _ in range(3):
        lifetime.received(PING_FRAME)
        lifetime.sent(PING_ACK)
    assert connection.done == []
    lifetime.received(PING_FRAME)
    assert connection.done == ["close"]
    assert connection.written.endswith(b"too_many_pings")


async def test_several_pings_at_once_are_counted(connection: FakeConnection, lifetime: Lifetime) -> None:
    lifetime.received(5 * PING_FRAME)
    assert connection.done == ["close"]


async def test_a_ping_before_other_frames_is_no_flood(connection: FakeConnection, lifetime: Lifetime) -> None:
    together = PING_FRAME + frame(DATA, 0, 1, bytes(9 * 17 - 9))
    assert len(together) % len(PING_FRAME) == 0
    for _ in range(20):
        lifetime.received(together)
    assert connection.done == []


async def test_pings_between_answers_are_forgiven(connection: FakeConnection, lifetime: Lifetime) -> None:
    answer = frame(DATA, 0, 1, bytes(2 * 17 - 9))  # as long as two acknowledgements
    for _ in range(20):
        lifetime.received(PING_FRAME)
        lifetime.sent(PING_ACK)
        lifetime.sent(answer)
    assert connection.done == []


async def test_a_quiet_peer_is_pinged_and_a_silent_one_is_cut_off(connection: FakeConnection) -> None:
    limits = ConnectionLimits(max_message_bytes=1000, keepalive_seconds=0.01, keepalive_timeout_seconds=0.01)
    begun = Lifetime(connection, limits, asyncio.get_running_loop())
    begun.received(PREFACE + frame(SETTINGS, 0, 0, b""))
    async with asyncio.timeout(10):
        while not connection.done:  # noqa: ASYNC110  # the connection is the border
            await asyncio.sleep(0.001)
    begun.end()
    assert connection.done[0] == "abort"
    assert connection.written[:9] == PING_FRAME[:9]
