"""What a client does when a stream can't go on: attempts are bounded, and refusals that can't pass aren't tried."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import grpc
import numpy as np
import numpy.typing as npt
import pytest

from soloist import AbortedError, AsyncClient, Client, NotFoundError, Resume, RetryPolicy, Timing, UnavailableError
from tests.unit.client.conftest import FakeServer, FakeTiming, Refusal

FRAMES = np.ones((4, 2), np.float32)
RETRY = RetryPolicy(attempts=4, initial_backoff_seconds=1, reasons=frozenset({"SESSION_IDLE"}))
RESUME = Resume(every_frames=1, retry=RETRY)


def test_attempts_to_go_on_are_bounded(fake: FakeServer, clock: FakeTiming) -> None:
    fake.refuse_frame = 0
    with (
        Client(fake.target, timing=clock.timing(), timeout_seconds=None) as client,
        client.stream("sums", resume=RESUME) as stream,
    ):
        fake.refuse(grpc.StatusCode.UNAVAILABLE, "SERVER_DRAINING", times=9)
        with pytest.raises(UnavailableError, match="SERVER_DRAINING"):
            stream.send(FRAMES)
    assert clock.pauses == [1, 2, 2]
    opened = [message.open for message in fake.messages if message.HasField("open")]
    assert [each.resume_token for each in opened] == [b"", *[b"the beginning"] * 4]


async def test_attempts_to_go_on_are_bounded_async(fake: FakeServer, clock: FakeTiming) -> None:
    fake.refuse_frame = 0
    async with (
        AsyncClient(fake.target, timing=clock.timing(), timeout_seconds=None) as client,
        client.stream("sums", resume=RESUME) as stream,
    ):
        fake.refuse(grpc.StatusCode.UNAVAILABLE, "SERVER_DRAINING", times=9)
        with pytest.raises(UnavailableError, match="SERVER_DRAINING"):
            await stream.send(FRAMES)
    assert clock.pauses == [1, 2, 2]


async def test_attempts_with_chunks_in_flight_are_bounded(fake: FakeServer, clock: FakeTiming) -> None:
    """The server opens the sequence again each time, and fails at its chunk each time."""
    fake.refuse_frame = 0
    async with AsyncClient(fake.target, timing=clock.timing(), timeout_seconds=None) as client:
        with pytest.raises(AbortedError, match="SESSION_IDLE"):
            await anext(client.stream_chunks("sums", [FRAMES, FRAMES], resume=RESUME))
    assert clock.pauses == [1, 2, 2]


async def test_what_the_source_raises_while_the_client_goes_on_is_raised_after_the_answers(fake: FakeServer) -> None:
    fake.refuse_frame = 0
    paused, raised = asyncio.Event(), asyncio.Event()

    async def pause(_: float) -> None:
        fake.refuse_frame = None
        paused.set()
        await raised.wait()

    async def source() -> AsyncIterator[npt.NDArray[np.float32]]:
        yield FRAMES
        await paused.wait()
        raised.set()
        raise RuntimeError("no more frames")

    async with AsyncClient(fake.target, timing=Timing(sleep_async=pause)) as client, asyncio.timeout(10):
        answers = client.stream_chunks("sums", source(), resume=RESUME)
        assert (await anext(answers)).frame_count == len(FRAMES)
        with pytest.raises(RuntimeError, match="no more frames"):
            await anext(answers)


@pytest.mark.parametrize("reason", ["MEMORY_FULL", "SESSION_STATE_FULL", "QUEUE_FULL"])
def test_a_chunk_that_there_is_no_room_for_is_sent_again(fake: FakeServer, reason: str) -> None:
    fake.refuse_frame = len(FRAMES)
    fake.frame_refusal = Refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, reason)

    def pause(_: float) -> None:
        fake.refuse_frame = None

    with (
        Client(fake.target, timing=Timing(sleep=pause), timeout_seconds=None) as client,
        client.stream("sums", resume=True) as stream,
    ):
        stream.send(FRAMES)
        assert stream.send(FRAMES).frame_count == len(FRAMES)
        assert stream.frame_count == 2 * len(FRAMES)


def test_what_cannot_pass_is_not_tried_again(fake: FakeServer, clock: FakeTiming) -> None:
    fake.refuse_frame = 0
    with (
        Client(fake.target, timing=clock.timing(), timeout_seconds=None) as client,
        client.stream("sums", resume=RESUME) as stream,
    ):
        fake.refuse(grpc.StatusCode.NOT_FOUND, "MODEL_NOT_FOUND")
        with pytest.raises(NotFoundError):
            stream.send(FRAMES)
    assert clock.pauses == []


def test_nonsense_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="every_frames"):
        Resume(every_frames=-1)
    assert "secret" not in repr(Resume(token=b"secret"))
