from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from service.api.oip.context import OipContext
from service.api.oip.model_stream_infer import model_stream_infer
from service.api.oip.sequences import Sequences
from service.core.errors import Reason, ServiceError
from service.core.health import Health
from service.repository import Repository, RepositoryManager
from service.repository.loading_threads import Threads
from service.repository.model_folder import VersionPolicy
from service.serving.batcher import Batcher, BatchLimits
from service.serving.call import Call
from service.serving.inference import InputLimits, Serving
from service.serving.sessions import Sessions
from soloist.oip.grpc_service_pb2 import ModelInferRequest, ModelStreamInferResponse
from tests.servables import GatedRunner, servable
from tests.unit.service.awaited_executor import AwaitedExecutor, turns
from tests.unit.service.conftest import Meter

_UNDER_WAY = 256


@pytest.fixture
def parts(meter: Meter) -> OipContext:
    """Give the protocol a server that has no model: every request is answered with a refusal at once."""
    executor = AwaitedExecutor()
    limits = BatchLimits(workers=1, max_batch_size=8, max_batch_frames=1000, max_slice_frames=4, max_queued=50)
    threads = Threads("unused", at_once=1, seconds=1)
    repository = Repository(lambda _: servable(GatedRunner()), lambda _: None)
    sessions = Sessions(max_sessions=2, max_state_bytes=1000, metrics=meter.metrics.sessions)
    serving = Serving(
        repository=repository,
        sessions=sessions,
        batcher=Batcher(executor, limits),
        recorder=meter.metrics.recorder,
        limits=InputLimits(max_frames=1000, max_chunk_frames=1000, allow_non_finite=False, idle_seconds=60),
    )
    return OipContext(
        serving=serving,
        sequences=Sequences(sessions, idle_seconds=60),
        manager=RepositoryManager(Path("nowhere"), repository, VersionPolicy(), loads=threads, looks=threads),
        health=Health(),
        max_rows=8,
    )


class Caller:
    """Sends as much as is read."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.sent = 0

    async def requests(self) -> AsyncGenerator[ModelInferRequest]:
        while self.sent < self.count:
            self.sent += 1
            yield ModelInferRequest(model_name="nobody", id=str(self.sent))


async def test_no_more_is_read_while_answers_are_not_taken(parts: OipContext) -> None:
    caller = Caller(4 * _UNDER_WAY)
    call = Call(api="ModelStreamInfer")
    async with aclosing(model_stream_infer(parts, call, caller.requests())) as answers:
        taken = [await anext(answers)]
        for _ in range(_UNDER_WAY):
            await turns()
        # One more than may be under way was read, and waits for room.
        assert caller.sent == _UNDER_WAY + 1
        taken += [answer async for answer in answers]
    assert [id_of(each) for each in taken] == [str(index) for index in range(1, caller.count + 1)]


def id_of(answer: bytes) -> str:
    return ModelStreamInferResponse.FromString(answer).infer_response.id


async def collect(answers: AsyncGenerator[bytes], taken: list[str]) -> None:
    async for answer in answers:
        taken.append(id_of(answer))  # noqa: PERF401  # it may end in an error


class Broken(Caller):
    """Fails in a way that nobody expects after so many requests."""

    async def requests(self) -> AsyncGenerator[ModelInferRequest]:
        async for request in super().requests():
            yield request
        raise RuntimeError("unexpected")


@pytest.mark.parametrize("count", [0, 3])
async def test_a_reader_that_fails_unexpectedly_ends_the_stream_behind_the_answers(
    parts: OipContext, count: int
) -> None:
    taken: list[str] = []
    async with asyncio.timeout(30):
        with pytest.raises(RuntimeError, match="unexpected"):
            await collect(model_stream_infer(parts, Call(api="ModelStreamInfer"), Broken(count).requests()), taken)
    assert taken == [str(index + 1) for index in range(count)]


async def test_an_answer_that_fails_unexpectedly_ends_the_stream(parts: OipContext) -> None:
    broken = replace(parts, serving=replace(parts.serving, recorder=cast("Any", None)))  # so that it can't be counted
    async with asyncio.timeout(30):
        with pytest.raises(BaseExceptionGroup):
            await collect(model_stream_infer(broken, Call(api="ModelStreamInfer"), Caller(1).requests()), [])


async def test_a_stream_that_falls_silent_is_ended(parts: OipContext) -> None:
    limits = replace(parts.serving.limits, idle_seconds=0.05)
    impatient = replace(parts, serving=replace(parts.serving, limits=limits))
    over = asyncio.Event()

    async def requests() -> AsyncGenerator[ModelInferRequest]:
        yield ModelInferRequest(model_name="nobody", id="1")
        await over.wait()

    taken: list[str] = []
    async with asyncio.timeout(30):
        with pytest.raises(ServiceError) as caught:
            await collect(model_stream_infer(impatient, Call(api="ModelStreamInfer"), requests()), taken)
    assert (caught.value.reason, taken) == (Reason.SESSION_IDLE, ["1"])
