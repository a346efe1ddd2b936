"""Owns a batcher in the test's hand: an executor that runs on command, and turns of the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any, ParamSpec, TypeVar

import numpy as np

from service.batcher import Answer, Batcher, BatchLimits
from service.engine.runner import Row
from service.engine.servable import Servable
from tests.servables import GatedRunner
from tests.unit.service.conftest import Meter

P = ParamSpec("P")
T = TypeVar("T")
_TURNS = 10
SLICE = 4


class ManualExecutor(Executor):
    """Holds submitted calls; `finish` runs one, on the calling thread."""

    def __init__(self) -> None:
        self._held: list[Callable[[], None]] = []

    def __len__(self) -> int:
        return len(self._held)

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        future: Future[T] = Future()

        def work() -> None:
            try:
                future.set_result(fn(*args, **kwargs))
            except Exception as error:
                future.set_exception(error)

        self._held.append(work)
        return future

    async def finish(self) -> None:
        """Run the oldest, and let the loop hear of it."""
        self._held.pop(0)()
        await turns()

    async def finish_all(self) -> None:
        """Run until nothing is left."""
        while self._held:
            await self.finish()


async def turns() -> None:
    """Let the event loop turn until everything that was ready has run."""
    for _ in range(_TURNS):
        await asyncio.sleep(0)


class Bench:
    """A batcher with everything around it in the test's hand."""

    def __init__(self, meter: Meter, **limits: int) -> None:
        bounds = {
            "workers": 1,
            "max_batch_size": 8,
            "max_batch_frames": 1000,
            "max_slice_frames": SLICE,
            "max_queued": 50,
        }
        self.executor = ManualExecutor()
        self.batcher = Batcher(self.executor, BatchLimits(**{**bounds, **limits}), meter.metrics)
        self.runner = GatedRunner()

    def ask(
        self,
        target: Servable,
        length: int,
        *,
        value: float = 1.0,
        every_frame: bool = False,
        deadline: float | None = None,
    ) -> asyncio.Task[Answer]:
        """Ask for so many frames of `value`."""
        runner: Any = target.runner
        row = Row(frames=np.full((length, 1), value, np.float32), states=runner.initial_states())
        return asyncio.ensure_future(self.batcher.run(target, row, every_frame=every_frame, deadline=deadline))

    async def asked(self, target: Servable, *lengths: int) -> list[asyncio.Task[Answer]]:
        """Ask several, one after the other, and let them be queued."""
        tasks = [self.ask(target, length) for length in lengths]
        await turns()
        return tasks
