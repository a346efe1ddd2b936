"""Streams of real sequences that go on by themselves, and whose answers are those of an undisturbed run."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bench.faults.label_reports import report
from bench.faults.tally import Tally
from bench.load_generator.workload import read_sequences
from soloist import AsyncClient, ChunkResult, Resume, SoloistError

if TYPE_CHECKING:
    from bench.load_generator.workload import Array

DATA = Path(__file__).parents[2] / "data" / "vowels" / "vowels.npz"
_CHUNK_FRAMES = 3
_JOINED = 6  # recordings in a sequence
_SEQUENCES = 16


@dataclass(frozen=True, kw_only=True)
class Script:
    """A sequence in chunks, and the bits of the answer to each."""

    chunks: Sequence[Array]
    answers: Sequence[bytes]


def split_sequences() -> list[list[Array]]:
    """Return sequences of joined recordings, in chunks. Raises WorkloadError."""
    recordings = [np.asarray(each, np.float32) for each in read_sequences(DATA)[: _JOINED * _SEQUENCES]]
    joined = [np.concatenate(recordings[at : at + _JOINED]) for at in range(0, len(recordings), _JOINED)]
    return [np.split(frames, range(_CHUNK_FRAMES, len(frames), _CHUNK_FRAMES)) for frames in joined]


async def scripts(target: str, model: str) -> list[Script]:
    """Return sequences with the answers of an undisturbed run. Raises SoloistError, WorkloadError."""
    found = []
    async with AsyncClient(target) as client:
        for chunks in split_sequences():
            async with client.stream(model, resume=True) as stream:
                found.append(Script(chunks=chunks, answers=[_bits(await stream.send(chunk)) for chunk in chunks]))
    return found


class Caller:
    """One sequence after the other, until it is told to end."""

    def __init__(
        self, client: AsyncClient, model: str, tally: Tally, *, pause_seconds: float, every_frames: int
    ) -> None:
        self._client = client
        self._model = model
        self._tally = tally
        self._pause_seconds = pause_seconds
        self._every_frames = every_frames

    async def run(self, given: Sequence[Script], first: int, ended: asyncio.Event) -> None:
        """Send sequences from the `first` on; the one that has begun is completed."""
        place = first
        while not ended.is_set():
            try:
                await self._send(given[place % len(given)])
            except SoloistError as error:
                self._tally.lost(error)
            place += 1

    async def _send(self, script: Script) -> None:
        ids = []
        async with self._client.stream(self._model, resume=Resume(every_frames=self._every_frames)) as stream:
            for chunk, expected in zip(script.chunks, script.answers, strict=True):
                began = time.monotonic()
                answer = await stream.send(chunk)
                self._tally.answered(
                    answer.prediction_id, same=_bits(answer) == expected, seconds=time.monotonic() - began
                )
                ids.append(answer.prediction_id)
                await asyncio.sleep(self._pause_seconds)
        self._tally.row.sequences += 1
        await report(self._client, ids, self._tally)


def _bits(answer: ChunkResult) -> bytes:
    return answer.outputs.tobytes() + repr((answer.label, answer.confidence)).encode()
