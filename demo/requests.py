"""The calls that accuracy comes from: every held-out sequence by itself, once whole and once in random chunks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.load_generator.workload import chunks
from demo.plan import DemoError
from soloist import AsyncClient, SoloistError

Array = npt.NDArray[Any]


@dataclass(frozen=True, kw_only=True, eq=False)
class Answer:
    """What the server said to one sequence: its class at the end, and the outputs at every frame [time, class]."""

    index: int
    outputs: Array


@dataclass(frozen=True, kw_only=True, eq=False)
class Answers:
    """To all sequences in their order, and how long they took together."""

    answers: list[Answer]
    seconds: float

    def correct(self, labels: Array) -> int:
        """Count the sequences whose class is right."""
        return sum(bool(answer.index == label) for answer, label in zip(self.answers, labels, strict=True))

    def frames_per_second(self) -> float:
        """Return the frames answered a second, over all calls."""
        return sum(len(answer.outputs) for answer in self.answers) / self.seconds

    def correct_by_frame(self, labels: Array) -> list[int]:
        """Count after 1, 2, … frames whose answer is right; a sequence that has ended keeps its last answer."""
        longest = max(len(answer.outputs) for answer in self.answers)
        right = np.zeros(longest, np.int64)
        for answer, label in zip(self.answers, labels, strict=True):
            hits = answer.outputs.argmax(axis=1) == label
            right += np.pad(hits, (0, longest - len(hits)), mode="edge")
        return [int(count) for count in right]


def bits_differ(whole: Answers, streamed: Answers) -> int:
    """Count the sequences for which any bit of any frame's outputs differs."""
    pairs = zip(whole.answers, streamed.answers, strict=True)
    return sum(one.outputs.tobytes() != other.outputs.tobytes() for one, other in pairs)


async def ask_whole(client: AsyncClient, model: str, sequences: Sequence[Array], *, at_once: int) -> Answers:
    """Send every sequence with Predict, `at_once` calls under way; raises DemoError when one fails."""

    async def ask(number: int) -> Answer:
        answer = await client.predict(model, sequences[number], every_frame=True)
        return _answer(answer.index, answer.outputs)

    return await _all(ask, len(sequences), at_once)


async def ask_streamed(
    client: AsyncClient, model: str, sequences: Sequence[Array], *, at_once: int, seed: int
) -> Answers:
    """Send every sequence with Stream, cut at random places, `at_once` streams open; raises DemoError likewise."""
    rng = np.random.default_rng(seed)
    cut = [chunks(sequence, chunk_frames=None, rng=rng) for sequence in sequences]

    async def ask(number: int) -> Answer:
        async with client.stream(model, every_frame=True) as stream:
            results = [await stream.send(frames) for frames in cut[number]]
        return _answer(results[-1].index, np.concatenate([result.outputs for result in results]))

    return await _all(ask, len(sequences), at_once)


def _answer(index: int | None, outputs: Array) -> Answer:
    if index is None:
        raise DemoError("the server answered without a class")
    return Answer(index=index, outputs=outputs)


async def _all(ask: Callable[[int], Awaitable[Answer]], count: int, at_once: int) -> Answers:
    free = asyncio.Semaphore(at_once)

    async def one(number: int) -> Answer:
        async with free:
            return await ask(number)

    started = time.perf_counter()
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(number)) for number in range(count)]
    except* SoloistError as errors:
        raise DemoError(f"a call failed: {errors.exceptions[0]}") from errors
    return Answers(answers=[task.result() for task in tasks], seconds=time.perf_counter() - started)
