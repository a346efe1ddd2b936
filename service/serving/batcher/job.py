"""A job: the frames of a chunk or a whole sequence, run in one slice or several, and its observer."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from service.core.errors import Reason, ServiceError
from service.engine.row import NO_ARRAYS, NO_TIME, no_arrays

if TYPE_CHECKING:
    import asyncio

    from numpy.typing import NDArray

    from service.engine.row import Arrays, Row, RowResult, RunSeconds, States
    from service.loading.servable import Servable


class RunObserver(Protocol):
    """An observer of the runs of one job."""

    def ran(self, rows: Sequence[Row], index: int, result: RowResult, *, last: bool) -> None:
        """Observe a run: all its rows, the index of the job's row, its result; `last` if the job is answered."""


# Called for every job before it is queued: returns its observer, or None.
ObserveRuns = Callable[["Servable", "Row"], RunObserver | None]


@dataclass(kw_only=True, slots=True)  # not frozen, since one is made for every request
class Answer:
    """Outputs [T, K] of every frame, or [1, K] of the last; the states after it; its times in seconds.

    `run` splits the compute time. `batch_size` is the largest number of sequences that shared a run with it, itself
    included. `padded_frames` is the number of frames computed for it, with padding. `extra` are the extra outputs by
    name, of every frame or of the last alike.
    """

    outputs: NDArray[Any]
    states: States
    queue_seconds: float
    compute_seconds: float
    run: RunSeconds
    batch_size: int
    padded_frames: int
    extra: Arrays = field(default_factory=no_arrays)


def whole_answer(
    result: RowResult,
    *,
    every_frame: bool,
    queue_seconds: float,
    compute_seconds: float,
    batch_size: int,
    padded_frames: int,
) -> Answer:
    """Return the answer to frames that took one run."""
    outputs, extra = result.outputs, result.extra
    if not every_frame:
        outputs = outputs[-1:]
        if extra:
            extra = {name: array[-1:] for name, array in extra.items()}
    return Answer(
        outputs=outputs,
        extra=extra,
        states=result.states,
        queue_seconds=queue_seconds,
        compute_seconds=compute_seconds,
        run=result.run,
        batch_size=batch_size,
        padded_frames=padded_frames,
    )


class Job:
    """Frames that wait for their turn, or whose remaining frames do. Belongs to the event loop."""

    __slots__ = (
        "_answer",
        "_batch_size",
        "_compute_seconds",
        "_done_frames",
        "_extra",
        "_outputs",
        "_padded_frames",
        "_queue_seconds",
        "_run",
        "_running_frames",
        "_states",
        "caller",
        "deadline",
        "every_frame",
        "future",
        "may_wait",
        "remaining_frames",
        "row",
        "run_observer",
        "waiting_since",
    )

    def __init__(
        self,
        row: Row,
        *,
        every_frame: bool,
        deadline: float | None,
        future: asyncio.Future[Answer],
        caller: str = "",
        may_wait: bool = False,
    ) -> None:
        """Create a job that waits.

        Args:
            row: the frames and the states before them.
            every_frame: whether every frame gets an output, or only the last.
            deadline: in seconds of time.monotonic(), None for none.
            future: gets the answer or the error.
            caller: takes turns with other callers.
            may_wait: True if it is never refused because of a full queue.

        """
        self.future = future
        self.caller = caller
        self.may_wait = may_wait
        self.deadline = deadline
        self.run_observer: RunObserver | None = None
        # How many have not run.
        self.remaining_frames = len(row.frames)
        self.row, self._states = row, row.states
        self.every_frame = every_frame
        self._done_frames = self._running_frames = 0
        self._answer: Answer | None = None
        self._outputs: list[NDArray[Any]] = []
        self._extra: list[Arrays] = []
        self.waiting_since = time.perf_counter()
        self._queue_seconds = 0.0
        self._compute_seconds = 0.0
        self._run = NO_TIME
        self._batch_size = self._padded_frames = 0

    def is_expired(self, now: float) -> bool:
        """Return whether its deadline has passed; `now` is of time.monotonic()."""
        return self.deadline is not None and now >= self.deadline

    def fail(self, error: BaseException) -> None:
        """Fail the future, unless it is done."""
        if not self.future.done():
            self.future.set_exception(error)

    def begin_slice(self, frames: int, started: float) -> Row:
        """Return the next `frames` frames to run now; `started` is of time.perf_counter()."""
        self._queue_seconds += started - self.waiting_since
        self._running_frames = frames
        return self.row.part(self._done_frames, frames, self._states)

    def end_slice(self, result: RowResult, *, seconds: float, batch_size: int, padded_frames: int) -> bool:
        """Store the answer to a slice that had `padded_frames` with padding, and return whether the job is answered.

        Raises:
            ServiceError: GRAPH_REFUSED: its outputs are not as wide as those of the slice before.

        """
        self.remaining_frames -= self._running_frames
        if not (self._done_frames or self.remaining_frames):  # most jobs take one run
            self._answer = whole_answer(
                result,
                every_frame=self.every_frame,
                queue_seconds=self._queue_seconds,
                compute_seconds=seconds,
                batch_size=batch_size,
                padded_frames=padded_frames,
            )
            return True
        self._done_frames += self._running_frames
        self._states = result.states
        self._compute_seconds += seconds
        self._run += result.run
        self._batch_size = max(self._batch_size, batch_size)
        self._padded_frames += padded_frames
        if self._outputs:
            self._refuse_other_widths(result)
        if self.every_frame:
            self._outputs.append(result.outputs)
            self._extra.append(result.extra)
        else:
            self._keep_last(result)
        self.waiting_since = time.perf_counter()
        return self.remaining_frames == 0

    def _refuse_other_widths(self, result: RowResult) -> None:
        before = {"outputs": self._outputs[-1], **self._extra[-1]}
        for name, array in {"outputs": result.outputs, **result.extra}.items():
            widths = [list(each.shape[1:]) for each in (before[name], array)]
            if widths[0] != widths[1]:
                cause = f"{name!r} are {widths[0]} a frame in one part of the sequence, and {widths[1]} in the next"
                raise ServiceError(Reason.GRAPH_REFUSED, shape=list(self.row.frames.shape), cause=cause)

    def _keep_last(self, result: RowResult) -> None:
        # A slice may have no output of its own: then the last is that of an earlier slice.
        outputs, extra = self._outputs, self._extra
        if len(result.outputs) or not outputs:
            outputs[:] = [result.outputs[-1:]]
        before = extra[0] if extra else NO_ARRAYS
        last = {name: array[-1:] if len(array) else before.get(name, array) for name, array in result.extra.items()}
        extra[:] = [last if last else NO_ARRAYS]

    def answer(self) -> Answer:
        """Return the answer of a job that is done."""
        if self._answer is not None:
            return self._answer
        outputs, extra = self._outputs[0], self._extra[0]
        if len(self._outputs) > 1:
            outputs = np.concatenate(self._outputs)
            extra = {name: np.concatenate([each[name] for each in self._extra]) for name in extra}
        return Answer(
            outputs=outputs,
            extra=extra,
            states=self._states,
            queue_seconds=self._queue_seconds,
            compute_seconds=self._compute_seconds,
            run=self._run,
            batch_size=self._batch_size,
            padded_frames=self._padded_frames,
        )
