"""The calls of the headline: every held-out sequence under one condition, again where it had not the company."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from demo.normalisers.conditions import (
    ASKED,
    HEAD_START_RATIO,
    HOLDING_FRAMES,
    NEIGHBOURS,
    ROUNDS,
    Array,
    Condition,
)
from demo.plan import TASK, DemoError
from soloist import AsyncClient, Prediction, SoloistError

_HOLDING = f"{TASK}-lstm-none"  # asked for the sequence that holds the worker


@dataclass(frozen=True, kw_only=True, eq=False)
class Asked:
    """The answer to each sequence, in their order; `missed` had never the company, `repeated` calls were in vain."""

    answers: list[Prediction]
    missed: int
    repeated: int


async def ask(
    client: AsyncClient, model: str, condition: Condition, held_out: Sequence[Array], others: Sequence[Array], seed: int
) -> Asked:
    """Ask for every sequence in bursts, in random order; raises DemoError when a call fails."""
    rng = np.random.default_rng(seed)
    found: dict[int, Prediction] = {}
    waiting, repeated = rng.permutation(len(held_out)), 0
    for round_ in range(ROUNDS):
        repeated += len(waiting) if round_ else 0
        size = 1 if condition.is_alone else ASKED
        holding = _Holding(frames=np.resize(held_out[0], (HOLDING_FRAMES * (1 + round_), held_out[0].shape[1])))
        if not condition.is_alone:
            await holding.measure(client)
        for first in range(0, len(waiting), size):
            numbers = waiting[first : first + size]
            neighbours = condition.neighbours(others, rng, ASKED + NEIGHBOURS - len(numbers))
            answers = await _burst(client, model, [held_out[number] for number in numbers], neighbours, holding)
            found |= dict(zip(map(int, numbers), answers, strict=True))
        waiting = np.array([number for number in waiting if not condition.holds(found[int(number)])], np.int64)
        if not len(waiting):
            break
    ordered = [found[number] for number in range(len(held_out))]
    return Asked(answers=ordered, missed=len(waiting), repeated=repeated)


@dataclass(kw_only=True, eq=False)
class _Holding:
    """The sequence that holds the worker, and how long before a burst it is sent."""

    frames: Array
    head_start_seconds: float = 0.0

    async def measure(self, client: AsyncClient) -> None:
        """See how long it takes on this machine, alone."""
        started = time.perf_counter()
        await client.predict(_HOLDING, self.frames)
        self.head_start_seconds = HEAD_START_RATIO * (time.perf_counter() - started)


async def _burst(
    client: AsyncClient, model: str, asked: Sequence[Array], neighbours: Sequence[Array], holding: _Holding
) -> list[Prediction]:
    try:
        async with asyncio.TaskGroup() as group:
            if neighbours:
                group.create_task(client.predict(_HOLDING, holding.frames))
                await asyncio.sleep(holding.head_start_seconds)
            for frames in neighbours:
                group.create_task(client.predict(model, frames))
            tasks = [group.create_task(client.predict(model, frames, every_frame=True)) for frames in asked]
    except* SoloistError as errors:
        raise DemoError(f"a call failed: {errors.exceptions[0]}") from errors
    return [task.result() for task in tasks]
