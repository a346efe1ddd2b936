"""What is a time limit of a call, and what is none."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from soloist import (
    Admin,
    AsyncAdmin,
    AsyncClient,
    AsyncMonitor,
    Client,
    DeadlineExceededError,
    Keepalive,
    Label,
    Monitor,
    RetryPolicy,
)

if TYPE_CHECKING:
    from tests.unit.client.conftest import FakeServer

FRAMES = np.array([[1, 2], [3, 5]], np.float32)
LABEL = Label(prediction_id="p", label=0)
# gRPC counts nanoseconds in 64 bits: the last two are beyond them.
ENDLESS = [math.inf, 1e10, 1e300]
NO_TIMES = [math.nan, -1.0, -math.inf]


@pytest.mark.parametrize("endless", ENDLESS)
def test_infinity_is_no_limit(fake: FakeServer, endless: float) -> None:
    with Client(fake.target) as client:
        assert client.predict("sums", FRAMES, timeout_seconds=endless).frame_count == 2
        assert client.compare("sums", FRAMES, timeout_seconds=endless).frame_count == 2
        with client.stream("sums", timeout_seconds=endless) as stream:
            assert stream.send(FRAMES).frame_count == 2
        assert len(list(client.stream_chunks("sums", [FRAMES], timeout_seconds=endless))) == 1
        client.wait_until_ready(endless)
    with Client(fake.target, timeout_seconds=endless) as client:
        assert client.predict("sums", FRAMES).frame_count == 2
    with Admin(fake.target, timeout_seconds=endless) as admin:
        assert len(admin.index()) == 3


@pytest.mark.parametrize("endless", ENDLESS)
async def test_infinity_is_no_limit_async(fake: FakeServer, endless: float) -> None:
    async with AsyncClient(fake.target, timeout_seconds=endless) as client:
        assert (await client.predict("sums", FRAMES)).frame_count == 2
        assert (await client.predict("sums", FRAMES, timeout_seconds=endless)).frame_count == 2
        async with client.stream("sums", timeout_seconds=endless) as stream:
            assert (await stream.send(FRAMES)).frame_count == 2
        found = [each async for each in client.stream_chunks("sums", [FRAMES], timeout_seconds=endless)]
        assert len(found) == 1


def test_nothing_is_done_in_no_time(fake: FakeServer) -> None:
    """gRPC sends a call without time, and a fast server may answer it."""
    with Client(fake.target) as client, Monitor(fake.target) as monitor, Admin(fake.target, timeout_seconds=0) as admin:
        calls: list[Callable[[], object]] = [
            lambda: client.predict("sums", FRAMES, timeout_seconds=0),
            lambda: client.stream("sums", timeout_seconds=0).__enter__(),
            lambda: list(client.stream_chunks("sums", [FRAMES], timeout_seconds=0)),
            lambda: client.compare("sums", FRAMES, timeout_seconds=0),
            lambda: client.report_many([LABEL], timeout_seconds=0),
            lambda: client.report_stream([LABEL], timeout_seconds=0),
            lambda: client.models(timeout_seconds=0),
            lambda: client.model("sums", timeout_seconds=0),
            lambda: client.wait_until_ready(0),
            lambda: monitor.accuracy("sums", timeout_seconds=0),
            lambda: monitor.norm_skew("sums", timeout_seconds=0),
            lambda: list(monitor.sampled_sequences("sums", timeout_seconds=0)),
            admin.index,
        ]
        for call in calls:
            with pytest.raises(DeadlineExceededError):
                call()
        assert not client.ready(timeout_seconds=0)
    assert fake.requests == []


async def test_nothing_is_done_in_no_time_async(fake: FakeServer) -> None:
    async with AsyncClient(fake.target, timeout_seconds=0) as client, AsyncMonitor(fake.target) as monitor:
        calls: list[Callable[[], Awaitable[object]]] = [
            lambda: client.predict("sums", FRAMES),
            lambda: client.stream("sums").__aenter__(),
            lambda: client.stream_chunks("sums", [FRAMES]).__anext__(),
            lambda: client.compare("sums", FRAMES),
            lambda: client.report_many([LABEL]),
            lambda: client.report_stream([LABEL], timeout_seconds=0),
            client.models,
            lambda: client.model("sums"),
            client.wait_until_ready,
            lambda: monitor.norm_skew("sums", timeout_seconds=0),
            lambda: monitor.sampled_sequences("sums", timeout_seconds=0).__anext__(),
        ]
        for call in calls:
            with pytest.raises(DeadlineExceededError):
                await call()
        assert not await client.ready()
    assert fake.requests == []


@pytest.mark.parametrize("kind", [Client, AsyncClient, Monitor, AsyncMonitor, Admin, AsyncAdmin])
@pytest.mark.parametrize("no_time", NO_TIMES)
def test_a_client_takes_no_time_that_is_none(kind: Callable[..., object], no_time: float) -> None:
    with pytest.raises(ValueError, match=r"0 or more, or math\.inf for no limit"):
        kind("localhost:1", timeout_seconds=no_time)


@pytest.mark.parametrize("no_time", NO_TIMES)
def test_a_call_takes_no_time_that_is_none(fake: FakeServer, no_time: float) -> None:
    with Client(fake.target) as client, Monitor(fake.target) as monitor:
        calls: list[Callable[[], object]] = [
            lambda: client.predict("sums", FRAMES, timeout_seconds=no_time),
            lambda: client.stream("sums", timeout_seconds=no_time).__enter__(),
            lambda: list(client.stream_chunks("sums", [FRAMES], timeout_seconds=no_time)),
            lambda: client.compare("sums", FRAMES, timeout_seconds=no_time),
            lambda: client.report_many([LABEL], timeout_seconds=no_time),
            lambda: client.report_stream([LABEL], timeout_seconds=no_time),
            lambda: client.models(timeout_seconds=no_time),
            lambda: client.ready(timeout_seconds=no_time),
            lambda: client.wait_until_ready(no_time),
            lambda: monitor.accuracy("sums", timeout_seconds=no_time),
            lambda: list(monitor.sampled_sequences("sums", timeout_seconds=no_time)),
        ]
        for call in calls:
            with pytest.raises(ValueError, match="timeout_seconds must be"):
                call()
    assert fake.requests == []


@pytest.mark.parametrize("no_time", NO_TIMES)
async def test_a_call_takes_no_time_that_is_none_async(fake: FakeServer, no_time: float) -> None:
    async with AsyncClient(fake.target) as client:

        async def chunks() -> list[Any]:
            return [each async for each in client.stream_chunks("sums", [FRAMES], timeout_seconds=no_time)]

        calls: list[Callable[[], Awaitable[object]]] = [
            lambda: client.predict("sums", FRAMES, timeout_seconds=no_time),
            lambda: client.stream("sums", timeout_seconds=no_time).__aenter__(),
            chunks,
            lambda: client.report_stream([LABEL], timeout_seconds=no_time),
            lambda: client.ready(timeout_seconds=no_time),
            lambda: client.wait_until_ready(no_time),
        ]
        for call in calls:
            with pytest.raises(ValueError, match="timeout_seconds must be"):
                await call()
    assert fake.requests == []


@pytest.mark.parametrize("no_time", [math.nan, math.inf, 1e9, 0.0, -1.0])
def test_pings_need_a_time_that_grpc_can_count(no_time: float) -> None:
    with pytest.raises(ValueError, match="greater than 0"):
        Keepalive(interval_seconds=no_time)
    with pytest.raises(ValueError, match="greater than 0"):
        Keepalive(timeout_seconds=no_time)


@pytest.mark.parametrize("field", ["initial_backoff_seconds", "max_backoff_seconds", "multiplier"])
def test_no_pause_is_nan(field: str) -> None:
    bounds: dict[str, Any] = {field: math.nan}
    with pytest.raises(ValueError, match="backoff"):
        RetryPolicy(**bounds)
