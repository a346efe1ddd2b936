"""A request to a known version, and its answer: decode, run every row, encode, and count it once.

Shapes: B rows, T frames, K outputs a frame.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from service.api.oip import contents, parameters
from service.core.errors import Reason, ServiceError
from service.core.reasons.error_kind import ErrorKind
from service.engine.row import WHOLE
from service.serving.prediction import Prediction
from soloist.oip.grpc_service_pb2 import ModelInferRequest, ModelInferResponse

if TYPE_CHECKING:
    from service.api.oip.context import OipContext
    from service.api.oip.model_view import Arrays
    from service.api.oip.parameters import Parameters
    from service.engine.row import Position, States
    from service.engine.runner import Row
    from service.loading.servable import Servable
    from service.serving.batcher import Answer
    from service.serving.call import Call
    from service.serving.session import Session

Result = TypeVar("Result")
# Makes what leaves of a response, and takes its memory.
Finish = Callable[["Call", ModelInferResponse], Result]


class InferRequest:
    """One request. Used once: `counted` around `decode`, `infer_rows` and `respond`."""

    def __init__(
        self,
        context: OipContext,
        call: Call,
        request: ModelInferRequest,
        servable: Servable,
        asked: Parameters,
    ) -> None:
        self.servable = servable
        self.row_count = 0
        self.rows: Sequence[Row] = ()
        self.predictions: Sequence[Prediction] = ()
        self._context, self._call, self._request, self._asked = context, call, request, asked
        self._view = context.view(servable)
        self._arrays: Arrays = {}
        self._wanted: Collection[str] = ()
        self._answers: Sequence[Answer] = ()
        self._encode_seconds = self._decode_seconds = 0.0
        call.model, call.version = servable.name, str(servable.version)
        call.idle_seconds = servable.idle_seconds(context.serving.limits.idle_seconds)

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Count the request when the block ends, by its outcome."""
        began = time.perf_counter()
        recorder = self._context.serving.recorder
        try:
            yield
        except BaseException:
            recorder.failed(self.servable, seconds=time.perf_counter() - began)
            raise
        recorder.succeeded(
            self._call,
            self.servable,
            self._answers,
            seconds=time.perf_counter() - began,
            decode_seconds=self._decode_seconds,
            encode_seconds=self._encode_seconds,
        )

    def refuse(self) -> None:
        """Refuse a request that there is no room or no time for, before it is decoded.

        Raises:
            ServiceError: QUEUE_FULL, OVERLOADED or DEADLINE_EXCEEDED.

        """
        call = self._call
        self._context.serving.batcher.refuse(self.servable, caller=call.taker_of_turns, deadline=call.deadline)

    async def decode(self) -> States | None:
        """Decode and check the tensors, and return the states [B, …] among them, None if there are none.

        Raises:
            ServiceError: they aren't what the model takes, or a requested output doesn't exist.

        """
        began = time.perf_counter()
        self._arrays, self.row_count = self._view.read(await self._read())
        self._wanted = self._view.wanted([output.name for output in self._request.outputs])
        states = self._view.states(self._arrays)
        self._decode_seconds = time.perf_counter() - began
        return states

    async def infer_rows(
        self,
        before: States,
        *,
        max_frames: int,
        too_long: ErrorKind,
        frames_before: int = 0,
        position: Position = WHOLE,
    ) -> Sequence[Answer]:
        """Run every row from the states `before`, side by side.

        Raises:
            ServiceError: a row is too long or holds what the model can't take, the queue is full, or time has run out.

        """
        began = time.perf_counter()
        serving, bound = self._context.serving, self.servable.manifest.max_frames
        allow_non_finite = serving.limits.allow_non_finite
        rows = self.rows = self._view.rows(self._arrays, before, position, allow_non_finite=allow_non_finite)
        longest = max(len(row.frames) for row in rows)
        if longest > max_frames:
            raise ServiceError(too_long, frame_count=longest, max_frames=max_frames)
        if bound and frames_before + longest > bound:
            raise ServiceError(Reason.SEQUENCE_TOO_LONG, frame_count=frames_before + longest, max_frames=bound)
        self._decode_seconds += time.perf_counter() - began
        self._answers = await self._run_all(rows)
        return self._answers

    async def respond(
        self, finish: Finish[Result], session: Session | None = None, *, is_whole: bool = False
    ) -> tuple[ModelInferResponse, Result]:
        """Encode the answers in the form of the request, with its id and parameters, and the prediction ids.

        They answer whole sequences, the next chunk of a session, or frames after states that the caller sent. What
        there is no memory for is refused before its sequence has gone on.

        Returns:
            The response, and what `finish` made of it.

        Raises:
            ServiceError: MEMORY_FULL or CLIENT_LIMIT.

        """
        began = time.perf_counter()
        self.predictions = [
            Prediction.of(self.servable, row, answer, session=session, is_whole=is_whole, client=self._call.owner)
            for row, answer in zip(self.rows, self._answers, strict=True)
        ]
        request = self._request
        response = ModelInferResponse(
            model_name=self.servable.name, model_version=str(self.servable.version), id=request.id
        )
        for name, parameter in request.parameters.items():
            response.parameters[name].CopyFrom(parameter)
        parameters.write_prediction_ids(response, [prediction.id for prediction in self.predictions])
        results = self._view.results(self._arrays, self.rows, self._answers, self._wanted)
        raw = contents.is_raw(request) if self._asked.raw is None else self._asked.raw
        raw = raw or not contents.have_typed_form(results)
        if raw or not contents.is_long_typed(results):
            contents.encode(response, results, raw=raw)
        else:
            await self._context.serving.off_loop(partial(contents.encode, response, results, raw=raw))
        result = finish(self._call, response)
        self._encode_seconds = time.perf_counter() - began
        self._call.first_output_at = self._call.first_output_at or time.perf_counter()
        return response, result

    def observe_frames(self, count: int) -> None:
        """Count a sequence that was answered to its end."""
        self._context.serving.recorder.sequence_ended(self.servable, count)

    async def _read(self) -> Arrays:
        if contents.is_long(self._request):
            return await self._context.serving.off_loop(partial(contents.decode, self._request))
        return contents.decode(self._request)

    async def _run_all(self, rows: Sequence[Row]) -> Sequence[Answer]:
        serving, call, servable = self._context.serving, self._call, self.servable
        if len(rows) == 1:
            return [await serving.infer_row(call, servable, rows[0], every_frame=True)]
        tasks = [asyncio.ensure_future(serving.infer_row(call, servable, row, every_frame=True)) for row in rows]
        try:
            return await asyncio.gather(*tasks)
        finally:
            # If one fails or is cancelled, the others leave the queue.
            for task in tasks:
                task.cancel()
