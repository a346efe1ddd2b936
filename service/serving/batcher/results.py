"""The results of runs: given to their jobs, measured, and made known to those who observe runs."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from service.core.errors import ServiceError
from service.serving.batcher.job import whole_answer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from service.engine.runner import Row, RunSeconds
    from service.loading.servable import Servable
    from service.serving.batcher.job import Answer, Job, RunObserver
    from service.serving.batcher.model_queue import ModelQueue
    from service.serving.batcher.run_place import Place
    from service.serving.batcher.runs import Done


class Results:
    """What becomes of results. Belongs to the event loop."""

    def __init__(
        self,
        on_run: Callable[[Servable, Sequence[int], RunSeconds, Place], None] | None,
        again: Callable[[ModelQueue, Job], None],
    ) -> None:
        """Create it.

        Args:
            on_run: called after every run, with the frames of its rows, its time and its place.
            again: called with a job that isn't answered yet.

        """
        self._on_run = on_run
        self._again = again

    def hand_out(self, queue: ModelQueue, jobs: Sequence[Job], parts: Sequence[Done], place: Place) -> None:
        """Give the results of a batch, which took one run or several, to its jobs in order."""
        if len(parts) == 1:
            answers = self._take_in(queue, jobs, parts[0], place)
            if parts[0].error is None:
                queue.pace.ran(parts[0].seconds, len(jobs), answers, more_wait=bool(queue.jobs))
            return
        rest = iter(jobs)
        for part in parts:
            self._take_in(queue, list(islice(rest, len(part.rows))), part, place)

    def answer(
        self,
        queue: ModelQueue,
        row: Row,
        done: Done,
        observer: RunObserver | None,
        place: Place,
        *,
        every_frame: bool,
        queue_seconds: float,
    ) -> Answer:
        """Return the answer to a row that ran by itself, and whole.

        Raises:
            Exception: the run failed.

        """
        if done.error is not None:
            raise done.error
        result, lengths = done.results[0], [len(row.frames)]
        self._note(queue, lengths, done, place)
        queue.pace.ran(done.seconds, 1, 1, more_wait=False)
        if observer:
            observer.ran(done.rows, 0, result, last=True)
        return whole_answer(
            result,
            every_frame=every_frame,
            queue_seconds=queue_seconds,
            compute_seconds=done.seconds,
            batch_size=1,
            padded_frames=lengths[0],
        )

    def _note(self, queue: ModelQueue, lengths: Sequence[int], done: Done, place: Place) -> None:
        queue.places.ran(lengths, done.processor_seconds, place)
        if self._on_run is not None:
            self._on_run(queue.servable, lengths, done.results[0].run, place)

    def _take_in(self, queue: ModelQueue, jobs: Sequence[Job], done: Done, place: Place) -> int:
        """Give results to their jobs, and return how many jobs are answered."""
        if done.error is not None:
            for job in jobs:
                job.fail(done.error)
            return 0
        lengths = [len(row.frames) for row in done.rows]
        self._note(queue, lengths, done, place)
        padded = lengths if len(lengths) == 1 else queue.servable.padded_frames(lengths)
        answered = 0
        for index, job in enumerate(jobs):
            try:
                answered += self._take_in_one(queue, job, done, index, padded[index])
            except ServiceError as error:  # the fault of the model, and only for this row
                job.fail(error)
        return answered

    def _take_in_one(self, queue: ModelQueue, job: Job, done: Done, index: int, padded_frames: int) -> bool:
        result = done.results[index]
        is_answered = job.end_slice(
            result, seconds=done.seconds, batch_size=len(done.rows), padded_frames=padded_frames
        )
        if job.run_observer:
            job.run_observer.ran(done.rows, index, result, last=is_answered)
        if job.future.done():
            return False
        if is_answered:
            job.future.set_result(job.answer())
        else:
            # The rest queues behind the jobs that arrived meanwhile: a long sequence takes turns like any other.
            self._again(queue, job)
        return is_answered
