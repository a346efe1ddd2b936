"""Chunks that a source yields, sent before the answers to those before them, through both clients."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from soloist import AsyncClient, Client, SoloistError

if TYPE_CHECKING:
    from tests.unit.client.conftest import FakeServer

FRAMES = np.arange(14, dtype=np.float32).reshape(7, 2)
CHUNKS = [FRAMES[:1], FRAMES[1:4], FRAMES[4:]]


async def test_text_in_chunks(fake: FakeServer) -> None:
    async with AsyncClient(fake.target) as client:
        whole = await client.predict("letters", "Soloist")
        answers = [answer async for answer in client.stream_chunks("letters", ["So", "lo", "ist"])]
    assert answers[-1].outputs.tolist() == whole.outputs.tolist()


async def test_chunks_are_sent_before_the_answer_comes(fake: FakeServer) -> None:
    fake.chunks_before_answer = 3
    async with AsyncClient(fake.target) as client:
        chunks = client.stream_chunks("sums", CHUNKS, timeout_seconds=20)
        answers = [answer async for answer in chunks]
    assert [answer.first_frame for answer in answers] == [0, 1, 4]
    assert answers[-1].outputs.tolist() == FRAMES.sum(axis=0).tolist()
    assert fake.stream_ends == ["closed"]


def test_chunks_are_sent_before_the_answer_comes_without_asyncio(fake: FakeServer) -> None:
    fake.chunks_before_answer = 3
    with Client(fake.target) as client:
        answers = list(client.stream_chunks("sums", CHUNKS, timeout_seconds=20))
        with pytest.raises(ValueError, match="ahead"):
            next(client.stream_chunks("sums", CHUNKS, ahead=0))
    assert [answer.first_frame for answer in answers] == [0, 1, 4]
    assert answers[-1].outputs.tolist() == FRAMES.sum(axis=0).tolist()
    assert fake.stream_ends == ["closed"]


def test_only_so_many_chunks_are_under_way_without_asyncio(fake: FakeServer) -> None:
    taken = 0

    def source() -> Iterator[Any]:
        nonlocal taken
        for frame in FRAMES:
            taken += 1
            yield frame[None]

    with Client(fake.target) as client:
        with closing(client.stream_chunks("sums", source(), ahead=2)) as answers:
            next(answers)
            assert taken <= 4  # two under way, one whose place the answer has freed, one in hand
        assert fake.stream_ended.wait(10)
    assert fake.stream_ends == ["cut"]


def test_what_the_source_raises_comes_out_after_the_answers_without_asyncio(fake: FakeServer) -> None:
    def source() -> Iterator[Any]:
        yield FRAMES[:2]
        yield FRAMES[2:]
        raise ZeroDivisionError

    with Client(fake.target) as client:
        answers = client.stream_chunks("sums", source())
        assert [next(answers).first_frame, next(answers).first_frame] == [0, 2]
        with pytest.raises(ZeroDivisionError):
            next(answers)
    assert fake.stream_ends == ["cut"]


def test_a_refusal_ends_the_iteration_without_asyncio(fake: FakeServer) -> None:
    fake.refuse_frame = 1
    goes_on = threading.Event()

    def source() -> Iterator[Any]:
        yield from CHUNKS
        goes_on.wait(20)  # the refusal must be heard while the source is silent

    with Client(fake.target) as client:
        answers = client.stream_chunks("sums", source())
        assert next(answers).first_frame == 0
        with pytest.raises(SoloistError) as caught:
            next(answers)
    goes_on.set()
    assert caught.value.reason == "SESSION_IDLE"


async def test_only_so_many_chunks_are_under_way(fake: FakeServer) -> None:
    taken = 0

    def source() -> Iterator[Any]:
        nonlocal taken
        for frame in FRAMES:
            taken += 1
            yield frame[None]

    async with AsyncClient(fake.target) as client:
        chunks = client.stream_chunks("sums", source(), ahead=2)
        await anext(chunks)
        assert taken <= 4  # two under way, one whose place the answer has freed, one in hand
        await chunks.aclose()
        assert await asyncio.to_thread(fake.stream_ended.wait, 10)
    assert fake.stream_ends == ["cut"]


async def test_what_the_source_raises_comes_out_after_the_answers(fake: FakeServer) -> None:
    async def source() -> AsyncIterator[Any]:
        yield FRAMES[:2]
        yield FRAMES[2:]
        raise ZeroDivisionError

    async with AsyncClient(fake.target) as client:
        chunks = client.stream_chunks("sums", source())
        assert (await anext(chunks)).first_frame == 0
        assert (await anext(chunks)).first_frame == 2
        with pytest.raises(ZeroDivisionError):
            await anext(chunks)
    assert fake.stream_ends == ["cut"]


async def test_some_chunk_must_be_allowed_under_way(fake: FakeServer) -> None:
    async with AsyncClient(fake.target) as client:
        with pytest.raises(ValueError, match="ahead"):
            await anext(client.stream_chunks("sums", CHUNKS, ahead=0))


async def test_a_refusal_ends_the_iteration(fake: FakeServer) -> None:
    fake.refuse_frame = 1

    async def source() -> AsyncIterator[Any]:
        for chunk in CHUNKS:
            yield chunk
        await asyncio.Event().wait()  # never: the refusal must be heard while the source is silent

    async with AsyncClient(fake.target) as client:
        chunks = client.stream_chunks("sums", source())
        assert (await anext(chunks)).first_frame == 0
        with pytest.raises(SoloistError) as caught:
            await anext(chunks)
    assert caught.value.reason == "SESSION_IDLE"


async def test_a_refusal_is_heard_while_messages_are_on_their_way(fake: FakeServer) -> None:
    fake.refuse_frame = 1
    singles = [FRAMES[at : at + 1] for at in range(len(FRAMES))]
    reasons = set()
    for _ in range(60):  # grpcio alone would lose about one in twenty
        async with AsyncClient(fake.target) as client:
            with pytest.raises(SoloistError) as caught:
                [answer async for answer in client.stream_chunks("sums", singles)]
            reasons.add(caught.value.reason)
    assert reasons == {"SESSION_IDLE"}


def test_a_source_that_ends_its_thread_does_not_leave_the_caller_waiting(fake: FakeServer) -> None:
    def chunks() -> Iterator[Any]:
        yield FRAMES
        raise SystemExit(3)

    with Client(fake.target) as client, pytest.raises(SystemExit):
        list(client.stream_chunks("sums", chunks(), timeout_seconds=5))


async def test_a_source_that_is_cancelled_does_not_leave_the_caller_waiting(fake: FakeServer) -> None:
    async def chunks() -> AsyncIterator[Any]:
        yield FRAMES
        task = asyncio.ensure_future(asyncio.sleep(60))
        task.cancel()
        await task

    async with AsyncClient(fake.target) as client:
        with pytest.raises(asyncio.CancelledError):
            [answer async for answer in client.stream_chunks("sums", chunks(), timeout_seconds=5)]
