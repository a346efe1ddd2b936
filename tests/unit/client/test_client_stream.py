"""Sequences in chunks through both clients."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import grpc
import numpy as np
import pytest

from soloist import AbortedError, AsyncClient, Client, InvalidInputError, NotFoundError, PreconditionError

if TYPE_CHECKING:
    from tests.unit.client.conftest import FakeServer, FakeTiming

FRAMES = np.arange(14, dtype=np.float32).reshape(7, 2)
CHUNKS = [FRAMES[:1], FRAMES[1:4], FRAMES[4:]]


def kinds(fake: FakeServer) -> list[str | None]:
    return [message.WhichOneof("message") for message in fake.messages]


def test_a_stream_ends_where_the_whole_does(fake: FakeServer) -> None:
    with Client(fake.target) as client:
        whole = client.predict("sums", FRAMES)
        with client.stream("sums") as stream:
            answers = [stream.send(chunk) for chunk in CHUNKS]
            assert (stream.frame_count, stream.version, stream.session_id) == (7, 3, "s1")
    assert [(answer.first_frame, answer.frame_count) for answer in answers] == [(0, 1), (1, 3), (4, 3)]
    assert np.array_equal(answers[-1].outputs, whole.outputs)
    assert (answers[-1].label, answers[-1].model, answers[-1].version) == ("right", "sums", 3)
    assert kinds(fake) == ["open", "chunk", "chunk", "chunk", "close"]
    assert fake.stream_ends == ["closed"]


async def test_a_stream_ends_where_the_whole_does_async(fake: FakeServer) -> None:
    async with AsyncClient(fake.target) as client:
        whole = await client.predict("sums", FRAMES, every_frame=True)
        async with client.stream("sums", every_frame=True) as stream:
            answers = [await stream.send(chunk) for chunk in CHUNKS]
            assert (stream.frame_count, stream.version, stream.session_id) == (7, 3, "s1")
    assert np.array_equal(np.concatenate([answer.outputs for answer in answers]), whole.outputs)
    assert fake.stream_ends == ["closed"]


def test_close_gives_the_servers_count(fake: FakeServer) -> None:
    with Client(fake.target) as client, client.stream("sums") as stream:
        stream.send(FRAMES)
        assert stream.close() == 7
        with pytest.raises(PreconditionError) as caught:
            stream.send(FRAMES)
    assert caught.value.reason == "STREAM_CLOSED"
    assert kinds(fake) == ["open", "chunk", "close"]


def test_a_repeated_chunk_does_not_advance(fake: FakeServer) -> None:
    with Client(fake.target) as client, client.stream("sums") as stream:
        first = stream.send(FRAMES[:4])
        again = stream.send(FRAMES[:4], first_frame=0)
        rest = stream.send(FRAMES[4:])
        assert stream.frame_count == 7
    assert (again.prediction_id, again.outputs.tolist()) == (first.prediction_id, first.outputs.tolist())
    assert (rest.first_frame, rest.outputs.tolist()) == (4, FRAMES.sum(axis=0).tolist())


def test_a_refused_chunk_ends_the_stream(fake: FakeServer) -> None:
    with Client(fake.target) as client, client.stream("sums") as stream:
        with pytest.raises(PreconditionError) as caught:
            stream.send(FRAMES, first_frame=5)
        with pytest.raises(PreconditionError, match="STREAM_CLOSED"):
            stream.send(FRAMES)
    assert (caught.value.reason, caught.value.facts) == ("CHUNK_GAP", {"expected_first_frame": "0"})


async def test_a_refused_chunk_ends_the_stream_async(fake: FakeServer) -> None:
    fake.refuse_frame = 4
    async with AsyncClient(fake.target) as client, client.stream("sums") as stream:
        await stream.send(FRAMES[:4])
        with pytest.raises(AbortedError) as caught:
            await stream.send(FRAMES[4:])
        with pytest.raises(PreconditionError, match="STREAM_CLOSED"):
            await stream.send(FRAMES[4:])
    assert caught.value.reason == "SESSION_IDLE"


def test_frames_refused_by_the_client_leave_the_stream_open(fake: FakeServer) -> None:
    with Client(fake.target) as client, client.stream("sums") as stream:
        with pytest.raises(InvalidInputError):
            stream.send([["a", "b"]])
        assert stream.send(FRAMES).frame_count == 7


def test_an_exception_in_the_block_cancels(fake: FakeServer) -> None:
    def fail(client: Client) -> None:
        with client.stream("sums") as stream:
            stream.send(FRAMES)
            raise ZeroDivisionError

    with Client(fake.target) as client:
        with pytest.raises(ZeroDivisionError):
            fail(client)
        assert fake.stream_ended.wait(timeout=10)
    assert (kinds(fake), fake.stream_ends) == (["open", "chunk"], ["cut"])


async def test_an_exception_in_the_block_cancels_async(fake: FakeServer) -> None:
    async def fail(client: AsyncClient) -> None:
        async with client.stream("sums") as stream:
            await stream.send(FRAMES)
            raise ZeroDivisionError

    async with AsyncClient(fake.target) as client:
        with pytest.raises(ZeroDivisionError):
            await fail(client)
        assert await asyncio.to_thread(fake.stream_ended.wait, 10)
    assert (kinds(fake), fake.stream_ends) == (["open", "chunk"], ["cut"])


async def test_a_cancelled_task_cancels_its_stream(fake: FakeServer) -> None:
    fake.chunks_before_answer = 2  # so the first chunk is never answered
    waiting = asyncio.Event()

    async def ask(client: AsyncClient) -> None:
        async with client.stream("sums") as stream:
            waiting.set()
            await stream.send(FRAMES)

    async with AsyncClient(fake.target) as client:
        task = asyncio.create_task(ask(client))
        await waiting.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await asyncio.to_thread(fake.stream_ended.wait, 10)
    assert fake.stream_ends == ["cut"]


def test_only_opening_is_tried_again(fake: FakeServer, clock: FakeTiming) -> None:
    fake.refuse(grpc.StatusCode.UNAVAILABLE, "MODEL_LOADING", times=2)
    with Client(fake.target, timing=clock.timing()) as client, client.stream("sums") as stream:
        stream.send(FRAMES)
    assert (clock.pauses, kinds(fake)) == ([0.05, 0.1], ["open", "open", "open", "chunk", "close"])


async def test_opening_is_refused_async(fake: FakeServer, clock: FakeTiming) -> None:
    fake.refuse(grpc.StatusCode.UNAVAILABLE, "MODEL_LOADING")
    async with AsyncClient(fake.target, timing=clock.timing()) as client:
        with pytest.raises(NotFoundError):
            async with client.stream("absent"):
                pytest.fail("was opened")
    assert clock.pauses == [0.05]


def test_an_end_without_an_answer_is_an_error(fake: FakeServer) -> None:
    fake.silent_end = True
    with Client(fake.target) as client, client.stream("sums") as stream, pytest.raises(AbortedError) as caught:
        stream.send(FRAMES)
    assert "without an answer" in caught.value.message


async def test_an_end_without_an_answer_is_an_error_async(fake: FakeServer) -> None:
    fake.silent_end = True
    async with AsyncClient(fake.target) as client, client.stream("sums") as stream:
        with pytest.raises(AbortedError, match="without an answer"):
            await stream.send(FRAMES)
