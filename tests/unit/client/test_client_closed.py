"""A client that was closed refuses every call in the same way, and never brings the process down."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from soloist import AsyncClient, Client, Label, PreconditionError

if TYPE_CHECKING:
    from tests.unit.client.conftest import FakeServer

FRAMES = np.array([[1, 2], [3, 5]], np.float32)
LABEL = Label(prediction_id="p", label=0)


def refused(call: Callable[[], object]) -> str:
    with pytest.raises(PreconditionError) as caught:
        call()
    return caught.value.reason


async def refused_async(call: Callable[[], Awaitable[object]]) -> str:
    with pytest.raises(PreconditionError) as caught:
        await call()
    return caught.value.reason


@pytest.mark.parametrize("used", [True, False])
def test_a_closed_client_refuses_every_call(fake: FakeServer, used: bool) -> None:
    with Client(fake.target) as client:
        if used:
            client.predict("sums", FRAMES)
    calls: list[Callable[[], object]] = [
        lambda: client.predict("sums", FRAMES),
        lambda: client.predict("sums", [[1, 2]]),
        lambda: client.stream("sums").__enter__(),
        lambda: list(client.stream_chunks("sums", [FRAMES])),
        lambda: client.compare("sums", FRAMES),
        lambda: client.report_many([LABEL]),
        lambda: client.report_stream([LABEL]),
        client.models,
        client.ready,
        client.wait_until_ready,
    ]
    assert {refused(call) for call in calls} == {"CLIENT_CLOSED"}


@pytest.mark.parametrize("used", [True, False])
async def test_a_closed_client_refuses_every_call_async(fake: FakeServer, used: bool) -> None:
    async with AsyncClient(fake.target) as client:
        if used:
            await client.predict("sums", FRAMES)

    async def chunks() -> list[Any]:
        return [each async for each in client.stream_chunks("sums", [FRAMES])]

    calls: list[Callable[[], Awaitable[object]]] = [
        lambda: client.predict("sums", FRAMES),
        lambda: client.predict("sums", [[1, 2]]),
        lambda: client.stream("sums").__aenter__(),
        chunks,
        lambda: client.compare("sums", FRAMES),
        lambda: client.report_many([LABEL]),
        lambda: client.report_stream([LABEL]),
        client.models,
        client.ready,
        client.wait_until_ready,
    ]
    assert {await refused_async(call) for call in calls} == {"CLIENT_CLOSED"}


def test_a_client_may_be_closed_twice(fake: FakeServer) -> None:
    with Client(fake.target) as client:
        client.close()
