"""The chunks of one stream: checked, run and answered; those sent ahead share a run where that changes no bit."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from service.api.v1.answers import write
from service.core.errors import Reason, ServiceError
from service.core.written import field
from service.engine.row import NO_AUXILIARY_INPUTS, Row
from service.serving.inputs import decode_row
from service.serving.joined_rows import infer_joined
from service.serving.prediction import Prediction
from soloist.v1.sequence_inference_pb2 import (
    OUTPUT_SELECTION_EVERY_FRAME,
    Chunk,
    ChunkResult,
    OutputSelection,
    StreamResponse,
)

if TYPE_CHECKING:
    from service.api.v1.stream_requests import StreamRequests
    from service.serving.batcher import Answer
    from service.serving.call import Call
    from service.serving.inference import Serving
    from service.serving.resume import ResumableStream
    from service.serving.session import Session

# Writes the message with an answer when its turn to leave has come. Nobody hears of the answer before.
Respond = Callable[[], bytes]
_RESULT, _TOKEN = StreamResponse.RESULT_FIELD_NUMBER, ChunkResult.RESUME_TOKEN_FIELD_NUMBER


@dataclass(slots=True)
class _Next:
    """A chunk that was checked, and its row; without states if another one runs before it."""

    chunk: Chunk
    row: Row


class Chunks:
    """The answers to the chunks of one stream, in order."""

    def __init__(
        self,
        serving: Serving,
        call: Call,
        session: Session,
        selection: OutputSelection.ValueType,
        resumable: ResumableStream | None = None,
    ) -> None:
        """Create it.

        Args:
            serving: the parts of the server.
            call: the stream's call.
            session: its state.
            selection: the outputs asked for.
            resumable: puts resume tokens into answers; None for a stream without.

        """
        self._serving, self._call, self._session = serving, call, session
        self._selection = selection
        # A token has the state after its answer, so the session goes on before such an answer is written.
        self._tokens = resumable if resumable is not None and resumable.with_answers else None
        self._every_frame = selection == OUTPUT_SELECTION_EVERY_FRAME
        servable, self._most = session.servable, serving.limits.max_joined_chunks
        # Answers of a joined run have no states between them.
        self._joins = (
            self._most > 1
            and resumable is None
            and servable.joins_chunks
            and not serving.needs_states(servable, session.id)
        )

    async def answer(self, chunk: Chunk, requests: StreamRequests) -> list[Respond]:
        """Return what answers a chunk, and those sent ahead that shared its run; the last comes first.

        Each raises ServiceError if there is no memory for its answer, or no room for the state after it.

        Raises:
            ServiceError: the chunk is invalid or out of place, or can't be answered.

        """
        session = self._session
        if (known := session.answered(chunk)) is not None:
            return [partial(self._message, known)]
        row = self._row(chunk, session.frame_count)
        serving, call = self._serving, self._call
        if call.sends_ahead and self._joins and row.auxiliary is NO_AUXILIARY_INPUTS:
            following = self._following(_Next(chunk, row), requests)
            if len(following) > 1 and (joined := await self._joined(following, requests)) is not None:
                return joined
        began = time.perf_counter()
        # A stream has one run at a time, so the number of chunks that wait is bounded by the number of streams.
        answer = await serving.infer(call, session.servable, row, every_frame=self._every_frame, may_wait=True)
        return [partial(self._respond, _Next(chunk, row), answer, time.perf_counter() - began)]

    async def _joined(self, following: list[_Next], requests: StreamRequests) -> list[Respond] | None:
        """Answer several chunks with one run; None if it fails, and the first has to run by itself."""
        serving, session = self._serving, self._session
        rows = [each.row for each in following]
        began = time.perf_counter()
        answers = await infer_joined(serving, self._call, session.servable, rows, every_frame=self._every_frame)
        if answers is None:
            requests.put_back(*(each.chunk for each in following[1:]))
            return None
        seconds = time.perf_counter() - began
        responds: list[Respond] = [
            partial(self._respond, each, answer, seconds, is_last=each is following[-1])
            for each, answer in zip(following, answers, strict=True)
        ]
        return responds[::-1]

    def _respond(self, of: _Next, answer: Answer, seconds: float, *, is_last: bool = True) -> bytes:
        """Write the message with the answer to a chunk, the last of a run or not, that was over after so many seconds.

        Raises:
            ServiceError: there is no memory for it, or no room for the state after it.

        """
        session, chunk = self._session, of.chunk

        def make() -> tuple[Prediction, bytes]:
            prediction = Prediction.of(session.servable, of.row, answer, session=session, client=self._call.owner)
            prediction.first_frame = chunk.first_frame
            result = self._result(prediction, answer)
            message = self._message(result) if self._tokens is None else b""
            if is_last:  # states between joined chunks are unknown
                if chunk.first_frame > session.frame_count:
                    session.carry(answer.states, chunk.first_frame - session.frame_count)
                session.advance(chunk, len(of.row.frames), answer.states, result)
            return prediction, message or self._message(result)

        # Without the time in which answers before it left: its caller may be slow to read them.
        return self._serving.respond(self._call, session.servable, answer, time.perf_counter() - seconds, make)

    def _message(self, result: bytes) -> bytes:
        """Write the message with a ChunkResult that is written, and take its memory.

        Raises:
            ServiceError: there is none.

        """
        if self._tokens is not None and (token := self._tokens.token_of_answer()):
            result += field(_TOKEN, token)
        raw = field(_RESULT, result)
        self._call.hold_answer(len(raw))
        return raw

    def _row(self, chunk: Chunk, frame_count: int) -> Row:
        """Decode a chunk that comes after so many frames.

        Raises:
            ServiceError: it isn't what the model takes, or too long.

        """
        session, limits = self._session, self._serving.limits
        servable = session.servable
        row = decode_row(
            chunk,
            servable.frames_form,
            session.states,
            allow_non_finite=limits.allow_non_finite,
            position=session.position(),
        )
        frames = len(row.frames)
        if frames > limits.max_chunk_frames:
            raise ServiceError(Reason.CHUNK_TOO_LONG, frame_count=frames, max_frames=limits.max_chunk_frames)
        total, max_frames = frame_count + frames, servable.manifest.max_frames
        if max_frames and total > max_frames:
            raise ServiceError(Reason.SEQUENCE_TOO_LONG, frame_count=total, max_frames=max_frames)
        return row

    def _following(self, first: _Next, requests: StreamRequests) -> list[_Next]:
        """Return a chunk and those after it that can share its run. The next that can't is put back."""
        found, frames, most_frames = [first], len(first.row.frames), self._serving.limits.max_joined_frames
        while len(found) < self._most and (ahead := requests.chunk_ahead()) is not None:
            if ahead.first_frame != self._session.frame_count + frames or ahead.inputs:
                requests.put_back(ahead)
                break
            try:
                row = self._row(ahead, ahead.first_frame)
            except ServiceError as error:
                requests.put_back(error)
                break
            frames += len(row.frames)
            if frames > most_frames:
                requests.put_back(ahead)
                break
            row.states = {}
            found.append(_Next(ahead, row))
        return found

    def _result(self, prediction: Prediction, answer: Answer) -> bytes:
        result = ChunkResult(
            prediction_id=prediction.id,
            first_frame=prediction.first_frame,
            frame_count=len(prediction.row.frames),
        )
        return write(result, answer, self._selection, self._session.servable.labels)
