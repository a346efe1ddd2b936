"""The runs under way: which workers are free, which runs nobody waits for any more, and whether all are stuck."""

from __future__ import annotations

import asyncio
import time
import weakref
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
        self._will_look = False
        self._stuck = False

    @property
    def free_workers(self) -> int:
        """How many more runs may begin."""
        return self._workers - len(self._runs)

    def begin(self, jobs: Sequence[Job]) -> Run:
        """Take a worker."""
        run = Run(jobs)
        self._runs.add(run)
        if not self._will_look:
            self._look_later()
        return run

    def end(self, run: Run) -> None:
        """Give a worker back."""
        self._runs.discard(run)
        self._tell()

    def _look_later(self) -> None:
        self._will_look = True
        # A timer lasts longer than most runs, and must keep nothing that they have kept.
        asyncio.get_running_loop().call_later(_LOOK_SECONDS, _look, weakref.ref(self))

    def look(self) -> None:
        """Look now, and again as long as something is under way."""
        self._will_look = False
        now = time.monotonic()
        for run in self._runs:
            run.look(now)
        self._on_look()
        self._tell()
        if self._runs:
            self._look_later()

    def _tell(self) -> None:
        stuck = not self.free_workers and all(run.scope.is_stuck() for run in self._runs)
        if stuck != self._stuck:
            self._stuck = stuck
            self._on_stuck(stuck)


def _look(runs: weakref.ref[RunsUnderWay]) -> None:
    if (found := runs()) is not None:
        found.look()
