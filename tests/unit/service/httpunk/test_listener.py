"""Connections inside the test's process: what is left of them, and who holds it."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator

import pytest

from bench.gates.http2 import PREFACE, SETTINGS, frame
from service.core.health import Health
from service.transport.connection_limits import ConnectionLimits
from service.transport.httpunk.connection import Connection
from service.transport.httpunk.listener import serving_httpunk

BEGUN = PREFACE + frame(SETTINGS, 0, 0, b"")


@pytest.fixture
def uncollected() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def alive() -> int:
    return sum(type(each) is Connection for each in gc.get_objects())


@pytest.mark.usefixtures("uncollected")
@pytest.mark.parametrize("said", [b"", b"GET / HTTP/1.1", BEGUN, BEGUN + frame(9, 0, 1, b"no headers before it")])
async def test_a_connection_that_has_ended_is_freed_without_the_garbage_collector(said: bytes) -> None:
    limits = ConnectionLimits(max_message_bytes=1000, handshake_timeout_seconds=0.2)
    async with serving_httpunk(["127.0.0.1"], 0, {}, Health(), limits) as listener:
        for _ in range(5):
            reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
            writer.write(said)
            if said == BEGUN:
                await reader.readexactly(9)
                writer.close()
            else:
                await reader.read()
                writer.close()
            await writer.wait_closed()
        async with asyncio.timeout(10):
            while alive():  # noqa: ASYNC110  # that nobody holds it is no event
                await asyncio.sleep(0.01)
