"""Short runs, on the event loop: they need no worker, and those of one row no queue and no batch either."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import structlog

from service.core.errors import Reason, ServiceError
from service.serving.batcher.run_place import Place
from service.serving.batcher.runs import execute

if TYPE_CHECKING:
    from collections.abc import Sequence

    from service.engine.runner import Row
    from service.serving.batcher.job import Answer, Job, RunObserver
    from service.serving.batcher.model_queue import BatchLimits, ModelQueue
    from service.serving.batcher.model_turns import Turns
    from service.serving.batcher.results import Results
    from service.serving.batcher.runs import RunsUnderWay

_log = structlog.get_logger("soloist.batcher")


class ShortRuns:
    """The runs that happen on the event loop. Belongs to it.

    `held_seconds` is how long runs have held the event loop since it was last known to turn.
    """

    def __init__(self, limits: BatchLimits, turns: Turns, under_way: RunsUnderWay, results: Results) -> None:
        self._limits = limits
        self._turns = turns
        self._under_way = under_way
        self._results = results
        self.held_seconds = 0.0

    def have_held_long(self) -> bool:
        """Return whether whatever else waits for the event loop comes first."""
        return self.held_seconds > 0 and self.held_seconds >= self._limits.max_inline_seconds

    def take(self, queue: ModelQueue, row: Row) -> bool:
        """Return whether a row needs no queue: nothing waits, and its run is short."""
        frames = len(row.frames)
        return (
            not (self._turns or self.have_held_long())
            and self._under_way.free_workers > 0
            and queue.places.of((frames,)) is Place.EVENT_LOOP
            and (frames <= self._limits.max_slice_frames or not queue.servable.sliced)
        )

    def run_batch(self, queue: ModelQueue, batch: Sequence[tuple[Job, int]]) -> None:
        """Run jobs that have waited in a queue, so many frames of each."""
        started = time.perf_counter()
        jobs = [job for job, _ in batch]
        try:
            rows = [job.begin_slice(frames, started) for job, frames in batch]
            parts = execute(queue.servable, rows, is_awaited=lambda index: not jobs[index].future.done())
            self._results.hand_out(queue, jobs, parts, Place.EVENT_LOOP)
        except Exception as error:  # whatever it was, no caller may wait for ever
            _log.exception("answers were not handed out", model=queue.servable.name, version=queue.servable.version)
            for job in jobs:
                job.fail(error)
        took = time.perf_counter() - started
        self._turns.ran(queue, took)
        self.held_seconds += took

    def run(
        self,
        queue: ModelQueue,
        row: Row,
        observer: RunObserver | None,
        *,
        every_frame: bool,
        queue_seconds: float = 0.0,
    ) -> Answer:
        """Return the answer to a row.

        Raises:
            Exception: the run failed.

        """
        self._turns.count(queue)
        (done,) = execute(queue.servable, [row])
        self.held_seconds += done.seconds
        self._turns.ran(queue, done.seconds)
        return self._results.answer(
            queue, row, done, observer, Place.EVENT_LOOP, every_frame=every_frame, queue_seconds=queue_seconds
        )

    def answer(self, queue: ModelQueue, job: Job) -> None:
        """Run the frames of a job that was the only one to arrive in a turn of the event loop."""
        if job.future.done():
            return
        if job.deadline is not None and job.is_expired(time.monotonic()):
            job.fail(ServiceError(Reason.DEADLINE_EXCEEDED))
            return
        try:
            answer = self.run(
                queue,
                job.row,
                job.run_observer,
                every_frame=job.every_frame,
                queue_seconds=time.perf_counter() - job.waiting_since,
            )
        except Exception as error:  # ONNX Runtime has many error classes, which share no base
            job.fail(error)
        else:
            job.future.set_result(answer)
