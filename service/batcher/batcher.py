"""Owns the turns: every lane of waiting jobs gets the workers, one after the other.

Nothing waits on a timer. While every worker is busy jobs gather; a worker that becomes free takes the next batch at
once. Jobs that arrive in one turn of the event loop are gathered too.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from itertools import islice
from typing import TYPE_CHECKING
from weakref import WeakSet

from service.batcher.composition import Compose, compose
from service.batcher.execution import Done, execute
from service.batcher.job import Answer, Job
from service.batcher.lane import BatchLimits, Lane
from service.errors import Reason, ServiceError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Executor

    from service.batcher.witness import Summon
    from service.engine.runner import Row, RunSeconds
    from service.engine.servable import Servable
    from service.metrics import Metrics


class Batcher:
    """Belongs to one event loop; runs happen on the executor."""

    def __init__(
        self,
        executor: Executor,
        limits: BatchLimits,
        metrics: Metrics,
        *,
        summon: Summon | None = None,
        on_run: Callable[[Servable, int, RunSeconds], None] | None = None,
        compose: Compose = compose,
    ) -> None:
        """Make an idle one.

        Args: `summon` is asked for a witness of every job; `on_run` hears of every run, its rows and its time;
        `compose` chooses who shares a run.

        """
        self._executor = executor
        self._limits = limits
        self._metrics = metrics
        self._summon = summon
        self._compose = compose
        self._on_run = on_run
        self._lanes: dict[Servable, Lane] = {}
        self._forgotten: WeakSet[Servable] = WeakSet()
        self._turns: deque[Lane] = deque()
        self._free_workers = limits.workers
        self._scheduled = False

    async def run(self, servable: Servable, row: Row, *, every_frame: bool, deadline: float | None) -> Answer:
        """Answer one row; `deadline` is of time.monotonic(), in seconds. Cancelled, it leaves the queue at once.

        Raises:
            ServiceError: QUEUE_FULL, or DEADLINE_EXCEEDED while it waited.

        """
        lane = self._lanes.setdefault(servable, Lane(servable, self._compose))
        if len(lane.jobs) >= self._limits.max_queued:
            raise ServiceError(Reason.QUEUE_FULL, queued=len(lane.jobs))
        loop = asyncio.get_running_loop()
        job = Job(row, every_frame=every_frame, deadline=deadline, future=loop.create_future())
        job.witness = self._summon(servable, row) if self._summon else None
        self._enqueue(lane, job)
        try:
            return await job.future
        finally:
            lane.drop(job)
            if servable in self._forgotten:
                self._let_go(servable)

    def forget(self, servable: Servable) -> None:
        """Let go of a version that takes no new calls, as soon as those under way are answered."""
        self._forgotten.add(servable)
        self._let_go(servable)

    def _let_go(self, servable: Servable) -> None:
        lane = self._lanes.get(servable)
        if lane is not None and not lane.jobs:
            del self._lanes[servable]

    def _enqueue(self, lane: Lane, job: Job) -> None:
        lane.add(job)
        if lane not in self._turns:
            self._turns.append(lane)
        if self._free_workers and not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._dispatch)

    def _dispatch(self) -> None:
        self._scheduled = False
        while self._free_workers and self._turns:
            lane = self._turns.popleft()
            batch = lane.take(self._limits)
            if lane.jobs:
                self._turns.append(lane)
            if batch:
                self._start(lane, batch)

    def _start(self, lane: Lane, batch: list[tuple[Job, int]]) -> None:
        self._free_workers -= 1
        started = time.perf_counter()
        rows = [job.begin_slice(frames, started) for job, frames in batch]
        run = asyncio.get_running_loop().run_in_executor(self._executor, execute, lane.servable, rows)
        run.add_done_callback(lambda done: self._finish(lane, [job for job, _ in batch], done))

    def _finish(self, lane: Lane, jobs: list[Job], done: asyncio.Future[list[Done]]) -> None:
        self._free_workers += 1
        if done.cancelled() or (error := done.exception()) is not None:
            _fail(jobs, RuntimeError("the run was cancelled") if done.cancelled() else error)
        else:
            waiting = iter(jobs)
            for run in done.result():
                self._take_in(lane, list(islice(waiting, len(run.rows))), run)
        self._dispatch()

    def _take_in(self, lane: Lane, jobs: list[Job], run: Done) -> None:
        if run.error is not None:
            _fail(jobs, run.error)
            return
        self._observe(lane.servable, run.rows, run.results[0].run)
        padded = lane.servable.padded_frames([len(row.frames) for row in run.rows])
        for index, (job, result) in enumerate(zip(jobs, run.results, strict=True)):
            is_answered = job.end_slice(
                result, seconds=run.seconds, batch_size=len(run.rows), padded_frames=padded[index]
            )
            if job.witness:
                job.witness.ran(run.rows, index, result, last=is_answered)
            if is_answered:
                if not job.future.done():
                    job.future.set_result(job.answer())
            elif not job.future.done():
                # The rest queues up behind what came meanwhile: a long sequence takes turns like everyone.
                self._enqueue(lane, job)

    def _observe(self, servable: Servable, rows: Sequence[Row], seconds: RunSeconds) -> None:
        labels = (servable.name, str(servable.version))
        self._metrics.batch_size.labels(*labels).observe(len(rows))
        self._metrics.padding_ratio.labels(*labels).observe(servable.padding_ratio([len(row.frames) for row in rows]))
        if self._on_run:
            self._on_run(servable, len(rows), seconds)


def _fail(jobs: list[Job], error: BaseException | None) -> None:
    for job in jobs:
        if not job.future.done():
            job.future.set_exception(RuntimeError("the run failed") if error is None else error)
