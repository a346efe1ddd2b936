"""Streams that end for their silence get a token, and clients go on with it when they have something to send."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from service.sealing.keys_file import new_key, write_keys
from soloist import AsyncClient, Client, Resume, SoloistError
from soloist.v1 import sequence_inference_pb2 as pb
from tests.graphs import Sums
from tests.integration.conversation import conversing
from tests.servers import RunningServer, eventually, running_server

FRAMES = np.ones((2, 2), np.float32)


@pytest.fixture(scope="module")
def module_server(tmp_path_factory: pytest.TempPathFactory, transport: str) -> Iterator[RunningServer]:
    folder: Path = tmp_path_factory.mktemp("impatient")
    write_keys(folder / "keys", [new_key(seals_from=0)])
    Sums(name="sums").write(folder / "repository")
    settings: dict[str, Any] = {"transport": transport, "keys_file": folder / "keys", "session_idle_seconds": 0.2}
    with running_server(folder / "repository", folder, **settings) as server:
        yield server


@pytest.fixture
def server(module_server: RunningServer) -> RunningServer:
    assert eventually(lambda: module_server.total("soloist_sessions_open") == 0)
    return module_server


@pytest.mark.parametrize("tokens", [pb.RESUME_TOKENS_AT_END, pb.RESUME_TOKENS_WITH_ANSWERS])
def test_a_silent_stream_gets_its_token(server: RunningServer, tokens: pb.ResumeTokens.ValueType) -> None:
    ended = _idle_ends(server)
    with conversing(server.grpc, "sums", resume_tokens=tokens) as stream:
        stream.send(0, FRAMES)
        last = stream.next().ended
        with pytest.raises(SoloistError) as caught:
            stream.next()
    assert (caught.value.code.name, caught.value.reason) == ("ABORTED", "SESSION_IDLE")
    assert last.frame_count == 2
    assert _idle_ends(server) == ended + 1
    with conversing(server.grpc, "sums", resume_token=last.resume_token) as stream:
        assert stream.opened.first_frame == 2
        assert _sums(stream.send(2, FRAMES).outputs.data) == [4.0, 4.0]


def test_a_silent_stream_that_asked_for_no_tokens_gets_none(server: RunningServer) -> None:
    with conversing(server.grpc, "sums") as stream:
        stream.send(0, FRAMES)
        with pytest.raises(SoloistError) as caught:
            stream.next()
    assert caught.value.reason == "SESSION_IDLE"


@pytest.mark.parametrize("every_frames", [0, 1, 100])
def test_a_client_goes_on_after_its_silence(server: RunningServer, every_frames: int) -> None:
    with Client(server.grpc) as client, client.stream("sums", resume=Resume(every_frames=every_frames)) as stream:
        for round_ in range(1, 3):
            _wait_for_idle_end(server)
            assert stream.send(FRAMES).outputs.tolist() == [2.0 * round_] * 2
        _wait_for_idle_end(server)
        assert stream.close() == 4


@pytest.mark.parametrize("every_frames", [0, 1, 100])
async def test_an_async_client_goes_on_after_its_silence(server: RunningServer, every_frames: int) -> None:
    resume = Resume(every_frames=every_frames)
    async with AsyncClient(server.grpc) as client, client.stream("sums", resume=resume) as stream:
        for round_ in range(1, 3):
            await asyncio.to_thread(_wait_for_idle_end, server)
            assert (await stream.send(FRAMES)).outputs.tolist() == [2.0 * round_] * 2
        await asyncio.to_thread(_wait_for_idle_end, server)
        assert await stream.close() == 4


@pytest.mark.parametrize("every_frames", [0, 1])
async def test_a_pipeline_takes_no_room_while_its_source_is_silent(server: RunningServer, every_frames: int) -> None:
    """It opens a stream again when there is a chunk to send, and not as often as the server ends it."""
    continued = _continued(server)

    async def source() -> AsyncIterator[npt.NDArray[np.float32]]:
        yield FRAMES
        await asyncio.to_thread(_wait_for_idle_end, server)
        for _ in range(2):
            await asyncio.to_thread(_silent_stream, server)
        yield FRAMES

    async with AsyncClient(server.grpc) as client:
        chunks = client.stream_chunks("sums", source(), resume=Resume(every_frames=every_frames))
        answers = [answer.outputs.tolist() async for answer in chunks]
    assert answers == [[2.0, 2.0], [4.0, 4.0]]
    assert _continued(server) == continued + 1


async def test_what_a_silent_source_raises_is_raised(server: RunningServer) -> None:
    async def source() -> AsyncIterator[npt.NDArray[np.float32]]:
        yield FRAMES
        await asyncio.to_thread(_wait_for_idle_end, server)
        raise RuntimeError("the microphone is gone")

    async with AsyncClient(server.grpc) as client:
        with pytest.raises(RuntimeError, match="microphone"):
            async for _ in client.stream_chunks("sums", source(), resume=True):
                pass


def _silent_stream(server: RunningServer) -> None:
    """Let as much time pass as a stream may be silent."""
    with conversing(server.grpc, "sums") as stream, pytest.raises(SoloistError):
        stream.next()


def _wait_for_idle_end(server: RunningServer) -> None:
    assert eventually(lambda: server.total("soloist_sessions_open") == 0)


def _idle_ends(server: RunningServer) -> float:
    return server.total("soloist_sessions_ended_total", reason="idle")


def _continued(server: RunningServer) -> float:
    return server.total("soloist_resumes_total", outcome="continued")


def _sums(data: bytes) -> list[float]:
    values: list[float] = np.frombuffer(data, np.float32).tolist()
    return values
