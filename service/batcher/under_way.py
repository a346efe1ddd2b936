"""The runs under way: which workers are free, which runs nobody waits for any more, and whether all are stuck."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from service.engine.cancel_scope import CancelScope
from service.errors import Reason, ServiceError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from service.batcher.job import Job

_LOOK_SECONDS = 0.25


class Run:
    """One batch on a worker."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self.jobs = jobs
        self.scope = CancelScope()

    def is_awaited(self, index: int) -> bool:
        """Tell whether somebody waits for one of its jobs. May be asked on any thread."""
        return not self.jobs[index].future.done()

    def fail(self, error: Exception) -> None:
        """Tell all who wait."""
        for job in self.jobs:
            job.fail(error)

    def look(self, now: float) -> None:
        """Tell whose deadline has passed, and end the run when nobody waits."""
        late = ServiceError(Reason.DEADLINE_EXCEEDED)
        for job in self.jobs:
            if job.is_expired(now):
                job.fail(late)
        if all(job.future.done() for job in self.jobs):
            self.scope.cancel(late)


class RunsUnderWay:
    """Belongs to the event loop. Looks at its runs a few times a second, while there are any."""

    def __init__(self, workers: int, on_look: Callable[[], None], on_stuck: Callable[[bool], None]) -> None:
        """Args: `on_look` is called at every look; `on_stuck` when all workers get stuck, and when one is freed."""
        self._workers = workers
        self._on_look = on_look
        self._on_stuck = on_stuck
        self._runs: set[Run] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._stuck = False

    @property
    def free_workers(self) -> int:
        """How many more runs may begin."""
        return self._workers - len(self._runs)

    def begin(self, jobs: Sequence[Job]) -> Run:
        """Take a worker."""
        run = Run(jobs)
        self._runs.add(run)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_LOOK_SECONDS, self._look)
        return run

    def end(self, run: Run) -> None:
        """Give a worker back."""
        self._runs.discard(run)
        self._tell()

    def _look(self) -> None:
        self._timer = None
        now = time.monotonic()
        for run in self._runs:
            run.look(now)
        self._on_look()
        self._tell()
        if self._runs:
            self._timer = asyncio.get_running_loop().call_later(_LOOK_SECONDS, self._look)

    def _tell(self) -> None:
        stuck = not self.free_workers and all(run.scope.is_stuck() for run in self._runs)
        if stuck != self._stuck:
            self._stuck = stuck
            self._on_stuck(stuck)
