"""The batcher: it gives the workers to the queues of the models, one after the other.

Nothing waits for a timer. Jobs gather while every worker is busy, and a worker that becomes free takes the next batch
at once. Jobs that arrive in one turn of the event loop are gathered too, and those that are on their way by then.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING
from weakref import WeakSet

import structlog

from service.serving.batcher.batch_selection import SelectBatch, select_batch
from service.serving.batcher.job import Answer, Job
from service.serving.batcher.model_queue import BatchLimits, ModelQueue
from service.serving.batcher.model_turns import Turns
from service.serving.batcher.on_the_way import OnTheWay
from service.serving.batcher.results import Results
from service.serving.batcher.run_place import Company, Place, RunPlaces
from service.serving.batcher.runs import Done, Run, RunsUnderWay, execute
from service.serving.batcher.short_runs import ShortRuns

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Executor

    from service.engine.runner import Row, RunSeconds
    from service.loading.servable import Servable
    from service.serving.batcher.job import ObserveRuns

_log = structlog.get_logger("soloist.batcher")


class Batcher:
    """The queues of all models, and the runs in progress. Belongs to one event loop; runs happen on the executor.

    `on_the_way` is told of requests that will be submitted soon.
    """

    def __init__(
        self,
        executor: Executor,
        limits: BatchLimits,
        *,
        observe_runs: ObserveRuns | None = None,
        on_run: Callable[[Servable, Sequence[int], RunSeconds, Place], None] | None = None,
        on_stuck: Callable[[bool], None] = lambda _: None,
        select_batch: SelectBatch = select_batch,
    ) -> None:
        """Create an idle batcher.

        Args:
            executor: the workers that run the graphs.
            limits: the bounds of batches and queues.
            observe_runs: returns the observer of a job's runs, or None.
            on_run: called after every run, with the frames of its rows, its time and its place.
            on_stuck: called when all workers are stuck, and when one is free again.
            select_batch: chooses the jobs that share a run.

        """
        self.on_the_way = OnTheWay(limits.max_gather_seconds)
        self._executor = executor
        self._limits = limits
        self._observe_runs = observe_runs
        self._select_batch = select_batch
        self._results = Results(on_run, self._enqueue)
        self._company = Company()
        self._queues: dict[Servable, ModelQueue] = {}
        self._forgets = False
        self._forgotten: WeakSet[Servable] = WeakSet()
        self._turns = Turns(limits.workers)
        self._under_way = RunsUnderWay(limits.workers, self._expire, on_stuck)
        self._short = ShortRuns(limits, self._turns, self._under_way, self._results)
        # The first job of this turn of the event loop, if its run is short: without a second it needs no queue.
        self._first: tuple[ModelQueue, Job] | None = None
        self._scheduled = False

    async def submit(
        self,
        servable: Servable,
        row: Row,
        *,
        every_frame: bool,
        deadline: float | None,
        caller: str = "",
        may_wait: bool = False,
        is_let_in: bool = False,
    ) -> Answer:
        """Answer one row. If it is cancelled, it leaves the queue at once.

        Args:
            servable: the version that answers.
            row: the frames and the states before them.
            every_frame: whether every frame gets an output, or only the last.
            deadline: in seconds of time.monotonic(), None for none.
            caller: callers take turns.
            may_wait: True if it is never refused because of a full queue.
            is_let_in: True if `refuse` has let it in, and nothing else ran on the event loop since.

        Raises:
            ServiceError: QUEUE_FULL, OVERLOADED, RUN_TOO_LONG, or DEADLINE_EXCEEDED while it waited or ran.

        """
        queue = self._queues.get(servable) or self._new_queue(servable)
        if not (may_wait or is_let_in):
            queue.refuse(caller, deadline)
        self._queue_first()
        observer = self._observe_runs(servable, row) if self._observe_runs else None
        self._company.came(more_come=bool(self.on_the_way))
        if (is_short := self._short.take(queue, row)) and (not queue.shares_runs or self._company.is_none):
            asyncio.get_running_loop().call_soon(self._turned)
            return self._short.run(queue, row, observer, every_frame=every_frame)
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        job = Job(row, every_frame=every_frame, deadline=deadline, future=future, caller=caller, may_wait=may_wait)
        job.run_observer = observer
        if is_short:
            self._first = queue, job
            self._dispatch_soon()
        else:
            self._enqueue(queue, job)
        try:
            return await future
        finally:
            self._company.left()
            if self._first is not None and self._first[1] is job:
                self._first = None
            if id(job) in queue.jobs:
                queue.drop(job)
            if self._forgets and servable in self._forgotten:
                self._let_go(servable)

    def refuse(self, servable: Servable, *, caller: str, deadline: float | None) -> None:
        """Refuse what `submit` would refuse now, before the request is decoded.

        Raises:
            ServiceError: QUEUE_FULL, OVERLOADED or DEADLINE_EXCEEDED.

        """
        self._queue_first()
        queue = self._queues.get(servable)
        if queue is None and servable not in self._forgotten:
            queue = self._new_queue(servable)
        if queue is not None:
            queue.refuse(caller, deadline)

    def forget(self, servable: Servable) -> None:
        """Drop the queue of a version that takes no new calls, as soon as those in progress are answered."""
        self._forgets = True
        self._forgotten.add(servable)
        self._let_go(servable)

    def _new_queue(self, servable: Servable) -> ModelQueue:
        places = RunPlaces(self._limits.max_inline_seconds, self._company)
        queue = self._queues[servable] = ModelQueue(servable, self._limits, self._select_batch, places)
        return queue

    def _let_go(self, servable: Servable) -> None:
        queue = self._queues.get(servable)
        if queue is not None and not queue.jobs:
            del self._queues[servable]
            self._turns.drop(queue)

    def _turned(self) -> None:
        """Count a run on the event loop no more, after the turn of it: a second request of that turn has company."""
        self._short.held_seconds = 0.0
        self._company.left()

    def _queue_first(self) -> None:
        if (first := self._first) is not None:
            self._first = None
            self._enqueue(*first)

    def _enqueue(self, queue: ModelQueue, job: Job) -> None:
        queue.add(job)
        self._turns.add(queue)
        if self._under_way.free_workers:
            self._dispatch_soon()

    def _dispatch_soon(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._dispatch)

    def _dispatch(self) -> None:
        self._scheduled = False
        self._short.held_seconds = 0.0
        if self._is_more_awaited():
            self._dispatch_soon()
            return
        if (first := self._first) is not None:
            self._first = None
            self._short.answer(*first)
        while (free := self._under_way.free_workers) and (queue := self._turns.next(free)) is not None:
            if self._short.have_held_long():
                self._dispatch_soon()  # whatever else waits for the event loop comes first
                return
            try:
                batch = queue.take(alone=self._company.is_none)
            except Exception as error:
                _log.exception("no batch was selected", model=queue.servable.name, version=queue.servable.version)
                queue.fail(error)
                batch = []
            if not queue.jobs:
                self._turns.drop(queue)
            if not batch:
                continue
            if queue.places.of([frames for _, frames in batch]) is Place.WORKER:
                self._start(queue, batch)
            else:
                self._short.run_batch(queue, batch)

    def _is_more_awaited(self) -> bool:
        """Return whether all that waits could share its run with a request that is on its way, and waits for it."""
        if self._first is not None:
            return self._first[0].shares_runs and self.on_the_way.is_awaited(self._first[1].waiting_since)
        oldest = self._turns.oldest_to_share()
        return oldest is not None and self.on_the_way.is_awaited(oldest)

    def _start(self, queue: ModelQueue, batch: list[tuple[Job, int]]) -> None:
        jobs = [job for job, _ in batch]
        run = self._under_way.begin(jobs)
        self._turns.began(queue, queue.pace.run_seconds)
        try:
            started = time.perf_counter()
            rows = [job.begin_slice(frames, started) for job, frames in batch]
            done = asyncio.get_running_loop().run_in_executor(
                self._executor, execute, queue.servable, rows, run.scope, run.is_awaited
            )
        except Exception as error:  # a thread that can't be started, among others
            _log.exception("a run was not started", model=queue.servable.name, version=queue.servable.version)
            self._under_way.end(run)
            run.fail(error)
        else:
            expected_seconds = queue.pace.run_seconds
            done.add_done_callback(lambda done: self._finish(queue, run, expected_seconds, done))

    def _finish(self, queue: ModelQueue, run: Run, expected_seconds: float, done: asyncio.Future[list[Done]]) -> None:
        self._under_way.end(run)
        try:
            parts = done.result()
            seconds = sum(part.seconds for part in parts)
            self._results.hand_out(queue, run.jobs, parts, Place.WORKER)
            self._turns.ran(queue, seconds - expected_seconds)
        except (Exception, asyncio.CancelledError) as error:  # whatever it was, no caller may wait for ever
            _log.exception("answers were not handed out", model=queue.servable.name, version=queue.servable.version)
            run.fail(error if isinstance(error, Exception) else RuntimeError("the run was cancelled"))
        self._dispatch()

    def _expire(self) -> None:
        for queue in self._queues.values():
            queue.expire()
