"""Short runs of one row, on the event loop: no queue, no batch and no worker is needed for them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from service.core.errors import Reason, ServiceError
from service.serving.batcher.run_place import Place
from service.serving.batcher.runs import execute

if TYPE_CHECKING:
    from service.engine.runner import Row
    from service.serving.batcher.job import Answer, Job, RunObserver
    from service.serving.batcher.model_queue import BatchLimits, ModelQueue
    from service.serving.batcher.model_turns import Turns
    from service.serving.batcher.results import Results
    from service.serving.batcher.runs import RunsUnderWay


class ShortRuns:
    """The runs that happen on the event loop without having waited in a queue. Belongs to the event loop.

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
