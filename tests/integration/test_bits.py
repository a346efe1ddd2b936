"""The promise through the real server: the same bits alone, in company, whole, and in chunks, for every small model."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from soloist import AsyncClient, Client
from tests.conftest import SMALL_MODELS
from tests.servers import RunningServer, running_server

Frames = npt.NDArray[np.float32]
_FEATURES, _CALLERS = 12, 60
_LONG_FRAMES = 3000


@pytest.fixture(scope="module")
def crowded(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """One worker, and batches allowed: what comes while it is busy shares a run."""
    logs = tmp_path_factory.mktemp("crowded")
    with running_server(repository, logs, batch_uncertified=True, workers=1) as server:
        yield server


@pytest.fixture
async def client(crowded: RunningServer) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(crowded.grpc, timeout_seconds=60) as client:
        yield client


@pytest.fixture(scope="module")
def sequences() -> list[Frames]:
    """Lengths from one frame to a few dozen, and values from quiet to loud."""
    rng = np.random.default_rng(20)
    scales = (1e-3, 1.0, 1.0, 1e3)
    return [
        (rng.normal(size=(rng.integers(1, 48), _FEATURES)) * rng.choice(scales)).astype(np.float32)
        for _ in range(_CALLERS)
    ]


@pytest.mark.parametrize("model", SMALL_MODELS)
async def test_company_and_chunks_change_no_bit(
    crowded: RunningServer, client: AsyncClient, sequences: list[Frames], model: str
) -> None:
    alone = [await _whole(client, model, frames) for frames in sequences]
    runs, rows = _runs(crowded, model)
    assert runs == rows  # nobody shared a run so far
    rng = np.random.default_rng(21)
    together = await asyncio.gather(
        *(_whole(client, model, frames) for frames in sequences),
        *(_chunked(client, model, frames, _cuts(rng, len(frames))) for frames in sequences),
    )
    assert together == [*alone, *alone]
    runs, rows = _runs(crowded, model)
    assert rows > runs  # the test means something: runs were shared


async def test_the_other_transport_gives_the_same_bits(
    repository: Path, client: AsyncClient, sequences: list[Frames], tmp_path: Path
) -> None:
    rng = np.random.default_rng(22)
    with running_server(repository, tmp_path, batch_uncertified=True, workers=1, transport="httpunk") as fast:
        async with AsyncClient(fast.grpc, timeout_seconds=60) as other:
            for model in SMALL_MODELS:
                alone = [await _whole(client, model, frames) for frames in sequences[:20]]
                together = await asyncio.gather(
                    *(_whole(other, model, frames) for frames in sequences[:20]),
                    *(_chunked(other, model, frames, _cuts(rng, len(frames))) for frames in sequences[:20]),
                )
                assert together == [*alone, *alone]


async def test_an_answer_tells_who_shared_its_run_and_how_far_it_was_padded(
    crowded: RunningServer, client: AsyncClient, sequences: list[Frames]
) -> None:
    model = SMALL_MODELS[0]
    for frames in sequences[:5]:
        answer = await client.predict(model, frames)
        assert (answer.batch_size, answer.padded_frames) == (1, len(frames))
    runs, rows = _runs(crowded, model)
    answers = await asyncio.gather(*(client.predict(model, frames) for frames in sequences))
    more_runs, more_rows = _runs(crowded, model)
    # A run of n rows is told by n answers, so their shares of a run add up to the runs that there were.
    assert sum(1 / answer.batch_size for answer in answers) == pytest.approx(more_runs - runs)
    assert more_rows - rows == len(sequences)
    assert max(answer.batch_size for answer in answers) > 1
    assert all(answer.padded_frames >= answer.frame_count for answer in answers)
    assert any(answer.padded_frames > answer.frame_count for answer in answers)
    longest = {answer.padded_frames for answer in answers}
    assert longest <= {len(frames) for frames in sequences}


async def test_a_chunk_tells_it_too_and_a_repeated_one_the_same_again(client: AsyncClient) -> None:
    frames = np.random.default_rng(23).normal(size=(9, _FEATURES)).astype(np.float32)
    async with client.stream(SMALL_MODELS[0]) as stream:
        first = await stream.send(frames[:4])
        again = await stream.send(frames[:4], first_frame=0)
        rest = await stream.send(frames[4:])
    assert [(each.batch_size, each.padded_frames) for each in (first, again, rest)] == [(1, 4), (1, 4), (1, 5)]


async def test_frames_of_slices_add_up(client: AsyncClient) -> None:
    frames = np.random.default_rng(24).normal(size=(_LONG_FRAMES, _FEATURES)).astype(np.float32)
    answer = await client.predict(SMALL_MODELS[0], frames)
    assert (answer.batch_size, answer.padded_frames) == (1, _LONG_FRAMES)


@pytest.mark.parametrize("model", SMALL_MODELS)
async def test_a_long_sequence_keeps_its_bits(client: AsyncClient, model: str) -> None:
    rng = np.random.default_rng(22)
    frames = rng.normal(size=(_LONG_FRAMES, _FEATURES)).astype(np.float32)
    whole = await _whole(client, model, frames)
    cuts = sorted(rng.choice(np.arange(1, _LONG_FRAMES), size=9, replace=False).tolist())
    again, chunked = await asyncio.gather(
        _whole(client, model, frames), _chunked(client, model, frames, [0, *cuts, _LONG_FRAMES])
    )
    assert whole == again == chunked


def test_streams_that_are_open_together_keep_their_states_apart(
    crowded: RunningServer, sequences: list[Frames]
) -> None:
    model = "vowels-transformer-layer"
    with Client(crowded.grpc) as client:
        alone = [client.predict(model, frames, every_frame=True).outputs for frames in sequences]
        streams = [client.stream(model, every_frame=True).__enter__() for _ in sequences]
        heard: list[list[Frames]] = [[] for _ in sequences]
        for frame in range(max(len(frames) for frames in sequences)):
            for stream, frames, outputs in zip(streams, sequences, heard, strict=True):
                if frame < len(frames):
                    outputs.append(stream.send(frames[frame : frame + 1]).outputs)
        assert [stream.close() for stream in streams] == [len(frames) for frames in sequences]
    assert [np.concatenate(outputs).tobytes() for outputs in heard] == [outputs.tobytes() for outputs in alone]


async def _whole(client: AsyncClient, model: str, frames: Frames) -> bytes:
    return (await client.predict(model, frames, every_frame=True)).outputs.tobytes()


async def _chunked(client: AsyncClient, model: str, frames: Frames, cuts: list[int]) -> bytes:
    async with client.stream(model, every_frame=True) as stream:
        answers = [await stream.send(frames[begin:end]) for begin, end in pairwise(cuts)]
    return b"".join(answer.outputs.tobytes() for answer in answers)


def _cuts(rng: np.random.Generator, length: int) -> list[int]:
    inner = [at for at in range(1, length) if rng.random() < 0.3]
    return [0, *inner, length]


def _runs(server: RunningServer, model: str) -> tuple[float, float]:
    return server.total("soloist_batch_size_count", model=model), server.total("soloist_batch_size_sum", model=model)
