"""The parts that every handler uses, and the one way to run frames."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from service.core.errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence
    from concurrent.futures import Executor

    from service.engine.runner import Row
    from service.loading.servable import Servable
    from service.repository import Repository
    from service.serving.batcher import Answer, Batcher
    from service.serving.call import Call
    from service.serving.prediction import Observer, Prediction
    from service.serving.recorder import Recorder
    from service.serving.resume import Resumption
    from service.serving.sessions import Sessions

Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True)
class InputLimits:
    """Limits of input: frames of a whole sequence and of a chunk, NaN and infinity, and silence in seconds.

    At most `max_joined_chunks` chunks of one stream, of `max_joined_frames` frames together, share a run.
    """

    max_frames: int
    max_chunk_frames: int
    allow_non_finite: bool
    idle_seconds: float
    max_joined_chunks: int = 1
    max_joined_frames: int = 256


@dataclass(frozen=True, kw_only=True)
class Serving:
    """The parts of a running server. `observers` get every answer; `decoder` is the thread for large messages.

    `needs_states` returns whether an observer needs the states before each chunk of a sequence, by its id.
    `resumption` is None on a server without keys.
    """

    repository: Repository
    sessions: Sessions
    batcher: Batcher
    recorder: Recorder
    limits: InputLimits
    observers: Sequence[Observer] = ()
    decoder: Executor | None = None
    needs_states: Callable[[Servable, str], bool] = lambda _servable, _sequence_id: False
    resumption: Resumption | None = None

    async def off_loop(self, work: Callable[[], Result]) -> Result:
        """Convert a large message on a thread of its own. It works in pieces, since it holds up the loop as well."""
        return await asyncio.get_running_loop().run_in_executor(self.decoder, work)

    async def infer(
        self,
        call: Call,
        servable: Servable,
        row: Row,
        *,
        every_frame: bool,
        may_wait: bool = False,
        is_let_in: bool = False,
    ) -> Answer:
        """Run a request of one row: the frames of a chunk or of a whole sequence, and the states before them.

        A request that fails here is counted; one that has run counts once `respond` has made its response.

        Args:
            call: the call that asks.
            servable: the version that answers.
            row: the frames and the states before them.
            every_frame: whether every frame gets an output, or only the last.
            may_wait: True if it is never refused because of a full queue.
            is_let_in: True if `refuse` has just let it in.

        Raises:
            ServiceError: QUEUE_FULL, OVERLOADED, RUN_TOO_LONG or DEADLINE_EXCEEDED.

        """
        began = time.perf_counter()
        try:
            return await self.infer_row(
                call, servable, row, every_frame=every_frame, may_wait=may_wait, is_let_in=is_let_in
            )
        except BaseException:
            self.recorder.failed(servable, seconds=time.perf_counter() - began)
            raise

    def respond(
        self,
        call: Call,
        servable: Servable,
        answer: Answer,
        began: float,
        make: Callable[[], tuple[Prediction, Result]],
    ) -> Result:
        """Return the response to a request of one row that has run, counted and published.

        Args:
            call: the call that asks.
            servable: the version that answers.
            answer: the answer to the row.
            began: when the request arrived, in seconds of time.perf_counter().
            make: makes the response, and takes its memory. If it raises, the request has failed, and nobody hears of
                its answer.

        """
        try:
            prediction, response = make()
        except BaseException:
            self.recorder.failed(servable, seconds=time.perf_counter() - began)
            raise
        now = time.perf_counter()
        self.recorder.succeeded(call, servable, [answer], seconds=now - began)
        call.first_output_at = call.first_output_at or now
        self.publish(prediction)
        return response

    def infer_row(
        self,
        call: Call,
        servable: Servable,
        row: Row,
        *,
        every_frame: bool,
        may_wait: bool = False,
        is_let_in: bool = False,
    ) -> Coroutine[Any, Any, Answer]:
        """Run one row of a request. The caller records the request.

        Raises:
            ServiceError: QUEUE_FULL, OVERLOADED, RUN_TOO_LONG or DEADLINE_EXCEEDED.

        """
        if call.first_frames_at is None:
            call.first_frames_at = time.perf_counter()
        call.frame_count += len(row.frames)
        return self.batcher.submit(
            servable,
            row,
            every_frame=every_frame,
            deadline=call.deadline,
            caller=call.taker_of_turns,
            may_wait=may_wait,
            is_let_in=is_let_in,
        )

    def refuse(self, call: Call, servable: Servable) -> None:
        """Refuse a request that there is no room or no time for, before it is decoded.

        Raises:
            ServiceError: QUEUE_FULL, OVERLOADED or DEADLINE_EXCEEDED.

        """
        try:
            self.batcher.refuse(servable, caller=call.taker_of_turns, deadline=call.deadline)
        except ServiceError:
            self.recorder.failed(servable, seconds=0.0)
            raise

    def publish(self, prediction: Prediction) -> None:
        """Pass an answer to every observer."""
        for observe in self.observers:
            observe(prediction)
