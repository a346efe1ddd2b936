"""A batcher in the test's hand, with an executor that runs on command."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import numpy as np

from service.engine.runner import Row
from service.loading.servable import Servable
from service.serving.batcher import Answer, Batcher, BatchLimits
from service.serving.batcher.batch_selection import select_batch
from tests.servables import GatedRunner
from tests.unit.service.awaited_executor import AwaitedExecutor, turns
from tests.unit.service.conftest import Meter

SLICE = 4


class Bench:
    """A batcher with everything around it in the test's hand."""

    def __init__(
        self,
        meter: Meter,
        *,
        executor: AwaitedExecutor | None = None,
        hooks: dict[str, Any] | None = None,
        **limits: Any,
    ) -> None:
        bounds: dict[str, Any] = {
            "workers": 1,
            "max_batch_size": 8,
            "max_batch_frames": 1000,
            "max_slice_frames": SLICE,
            "max_queued": 50,
        }
        self.executor = AwaitedExecutor() if executor is None else executor
        self._is_mended = False
        guarded = {name: self._until_mended(hook) for name, hook in (hooks or {}).items()}
        hooked: dict[str, Any] = {"on_run": meter.metrics.recorder.ran, **guarded}
        self.batcher = Batcher(self.executor, BatchLimits(**{**bounds, **limits}), **hooked)
        self.runner = GatedRunner()

    def mend(self) -> None:
        """Let hooks do nothing from now on."""
        self._is_mended = True

    def _until_mended(self, hook: Callable[..., Any]) -> Callable[..., Any]:
        def called(*args: Any, **named: Any) -> Any:
            if not self._is_mended:
                return hook(*args, **named)
            return select_batch(*args, **named) if "max_size" in named else None

        return called

    def ask(
        self,
        target: Servable,
        length: int,
        *,
        value: float = 1.0,
        every_frame: bool = False,
        deadline: float | None = None,
        caller: str = "",
        may_wait: bool = False,
    ) -> asyncio.Task[Answer]:
        """Ask for so many frames of `value`."""
        runner: Any = target.runner
        row = Row(frames=np.full((length, 1), value, np.float32), states=runner.initial_states())
        run = self.batcher.submit(
            target, row, every_frame=every_frame, deadline=deadline, caller=caller, may_wait=may_wait
        )
        return asyncio.ensure_future(run)

    async def asked(self, target: Servable, *lengths: int, **how: Any) -> list[asyncio.Task[Answer]]:
        """Ask several, one after the other, and let them be queued."""
        tasks = [self.ask(target, length, **how) for length in lengths]
        await turns()
        return tasks
