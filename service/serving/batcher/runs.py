"""The runs on the workers: rows together, or one by one if that fails; runs that nobody waits for are ended."""

from __future__ import annotations

import asyncio
import time
import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from service.core.errors import Reason, ServiceError
from service.engine.cancel_scope import CancelScope

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from service.engine.runner import Row, RowResult
    from service.loading.servable import Servable
    from service.serving.batcher.job import Job

_log = structlog.get_logger("soloist.batcher")
_CHECK_SECONDS = 0.25


@dataclass(kw_only=True, slots=True)  # not frozen, since one is made for every request
class Done:
    """One run of `rows`, its time in seconds, and a result for each row; without results there is an `error`.

    `processor_seconds` doesn't grow when other threads and programs are busy, so it tells what a run is expected to
    take next time.
    """

    rows: Sequence[Row]
    seconds: float
    processor_seconds: float = 0.0
    results: Sequence[RowResult] = ()
    error: Exception | None = None


def execute(
    servable: Servable,
    rows: Sequence[Row],
    scope: CancelScope | None = None,
    is_awaited: Callable[[int], bool] = lambda _: True,
) -> list[Done]:
    """Run rows, and return the runs that this took, which hold the rows in order. Blocks; model errors don't raise.

    Args:
        servable: the version that runs.
        rows: the rows of the batch.
        scope: cancelling it ends the run; without one only the bound on every run's time does.
        is_awaited: whether somebody waits for a row, by index; others aren't run a second time.

    """
    if scope is None:
        return _executed(servable, rows, is_awaited)
    with scope:
        return _executed(servable, rows, is_awaited)


def _executed(servable: Servable, rows: Sequence[Row], is_awaited: Callable[[int], bool]) -> list[Done]:
    together = _run(servable, rows)
    if together.error is None or len(rows) == 1:
        return [together]
    alone = [_run(servable, [row]) if is_awaited(index) else _given_up(row) for index, row in enumerate(rows)]
    _log.warning(
        "a shared run failed, so its rows ran alone",
        model=servable.name,
        version=servable.version,
        rows=len(rows),
        failed=sum(done.error is not None for done in alone),
        cause=str(together.error),
    )
    return alone


def _run(servable: Servable, rows: Sequence[Row]) -> Done:
    started, processor_started = time.perf_counter(), time.thread_time()
    try:
        results = servable.runner.run_rows(rows)
    except Exception as error:  # ONNX Runtime has many error classes, which share no base
        return Done(rows=rows, seconds=time.perf_counter() - started, error=error)
    processor_seconds = time.thread_time() - processor_started
    return Done(rows=rows, seconds=time.perf_counter() - started, processor_seconds=processor_seconds, results=results)


def _given_up(row: Row) -> Done:
    return Done(rows=[row], seconds=0.0, error=ServiceError(Reason.DEADLINE_EXCEEDED))


class Run:
    """One batch on a worker."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self.jobs = jobs
        self.scope = CancelScope()

    def is_awaited(self, index: int) -> bool:
        """Return whether somebody waits for one of its jobs. May be called on any thread."""
        return not self.jobs[index].future.done()

    def fail(self, error: Exception) -> None:
        """Fail all its jobs."""
        for job in self.jobs:
            job.fail(error)

    def look(self, now: float) -> None:
        """Fail jobs whose deadline has passed, and end the run if nobody waits."""
        late = ServiceError(Reason.DEADLINE_EXCEEDED)
        for job in self.jobs:
            if job.is_expired(now):
                job.fail(late)
        if all(job.future.done() for job in self.jobs):
            self.scope.cancel(late)


class RunsUnderWay:
    """The runs in progress. Belongs to the event loop. Checks its runs a few times a second, while there are any.

    `free_workers` is how many more may begin.
    """

    def __init__(self, workers: int, on_look: Callable[[], None], on_stuck: Callable[[bool], None]) -> None:
        """Create it without runs.

        Args:
            workers: how many runs there may be at once.
            on_look: called at every check.
            on_stuck: called when all workers get stuck, and when one is free again.

        """
        self.free_workers = workers
        self._on_look = on_look
        self._on_stuck = on_stuck
        self._runs: set[Run] = set()
        self._will_check = False
        self._stuck = False

    def begin(self, jobs: Sequence[Job]) -> Run:
        """Take a worker."""
        run = Run(jobs)
        self._runs.add(run)
        self.free_workers -= 1
        if not self._will_check:
            self._check_later()
        return run

    def end(self, run: Run) -> None:
        """Give a worker back."""
        self._runs.remove(run)
        self.free_workers += 1
        self._report_stuck()

    def _check_later(self) -> None:
        self._will_check = True
        # A timer lasts longer than most runs, and must not keep their memory.
        asyncio.get_running_loop().call_later(_CHECK_SECONDS, _check, weakref.ref(self))

    def look(self) -> None:
        """Check now, and again later as long as a run is in progress."""
        self._will_check = False
        now = time.monotonic()
        for run in self._runs:
            run.look(now)
        self._on_look()
        self._report_stuck()
        if self._runs:
            self._check_later()

    def _report_stuck(self) -> None:
        stuck = not self.free_workers and all(run.scope.is_stuck() for run in self._runs)
        if stuck != self._stuck:
            self._stuck = stuck
            self._on_stuck(stuck)


def _check(runs: weakref.ref[RunsUnderWay]) -> None:
    if (found := runs()) is not None:
        found.look()
