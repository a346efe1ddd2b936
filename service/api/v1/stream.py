"""Stream: one sequence in chunks. Open, chunk…, close; the session lives exactly as long as the stream."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import nullcontext
from typing import TYPE_CHECKING

from service.api.v1.answers import classify, select, select_extra
from service.core.errors import Reason, ServiceError
from service.core.tensors import encode
from service.serving.inputs import decode_row
from service.serving.prediction import Prediction
from soloist.v1.sequence_inference_pb2 import (
    OUTPUT_SELECTION_EVERY_FRAME,
    Chunk,
    ChunkResult,
    Closed,
    Open,
    Opened,
    OutputSelection,
    StreamRequest,
    StreamResponse,
)

if TYPE_CHECKING:
    from service.serving.call import Call
    from service.serving.inference import Serving
    from service.serving.resume import Resumption
    from service.serving.sessions import Session

# How long a closed stream may stay half open, so that a caller who sends more gets an error.
_LINGER_SECONDS = 0.2
_NO_TOKENS = nullcontext()


async def stream(
    serving: Serving, call: Call, requests: AsyncIterator[StreamRequest]
) -> AsyncGenerator[StreamResponse]:
    """Answer one sequence, chunk by chunk, in order.

    Raises:
        ServiceError: a message is invalid or out of place in the stream. The session is freed.

    """
    opening = _expect_open(await _next(requests))
    resumption, brought = _resumption(serving, opening), None
    if resumption is None:
        servable = serving.repository.route(opening.model, opening.version, opening.version_label)
    else:
        servable, brought = resumption.route(opening, serving.repository)
    call.model, call.version = servable.name, str(servable.version)
    servable.require_time_axis()
    if not servable.manifest.causal:
        raise ServiceError(Reason.MODEL_NOT_CAUSAL, model=servable.name, version=servable.version)
    with (
        serving.sessions.open(servable, call.is_past_deadline) as session,
        _NO_TOKENS if resumption is None else resumption.stream(opening, session, brought) as resumable,
    ):
        call.session_id = session.id
        opened = Opened(session_id=session.id, model=servable.name, version=servable.version)
        reading = requests
        if resumable is not None:
            reading = resumable.reading(requests)
            opened.first_frame, opened.resume_token = session.frame_count, resumable.first_token()
        yield StreamResponse(opened=opened)
        call.idle_seconds = servable.idle_seconds(serving.limits.idle_seconds)
        selection = opening.output_selection
        del opening, brought
        # No name here holds a chunk or its answer, so a stream that waits keeps neither in memory.
        try:
            while (chunks := await _next_chunk(reading)) is not None:
                if resumable is None:
                    yield StreamResponse(result=await _answer(serving, call, session, chunks.pop(), selection))
                else:
                    answer = _answer(serving, call, session, chunks.pop(), selection)
                    yield StreamResponse(result=resumable.add_token(await answer))
        except ServiceError:
            if resumable is not None and resumable.has_ended:
                yield StreamResponse(ended=resumable.last_message())
            raise
    if session.frame_count:
        serving.recorder.sequence_ended(servable, session.frame_count)
    yield StreamResponse(closed=Closed(frame_count=session.frame_count))
    await _expect_nothing(requests)


def _resumption(serving: Serving, opening: Open) -> Resumption | None:
    """Return what makes and takes resume tokens, None for a stream without.

    Raises:
        ServiceError: RESUME_UNSUPPORTED.

    """
    if not (opening.resume_tokens or opening.resume_token):
        return None
    if serving.resumption is None:
        raise ServiceError(Reason.RESUME_UNSUPPORTED)
    return serving.resumption


async def _answer(
    serving: Serving, call: Call, session: Session, chunk: Chunk, selection: OutputSelection.ValueType
) -> ChunkResult:
    servable, limits = session.servable, serving.limits
    if (known := session.answered(chunk)) is not None:
        return known
    row = decode_row(
        chunk,
        servable.frames_form,
        session.states,
        allow_non_finite=limits.allow_non_finite,
        position=session.position(),
    )
    frame_count = len(row.frames)
    if frame_count > limits.max_chunk_frames:
        raise ServiceError(Reason.CHUNK_TOO_LONG, frame_count=frame_count, max_frames=limits.max_chunk_frames)
    total, max_frames = session.frame_count + frame_count, servable.manifest.max_frames
    if max_frames and total > max_frames:
        raise ServiceError(Reason.SEQUENCE_TOO_LONG, frame_count=total, max_frames=max_frames)
    every_frame = selection == OUTPUT_SELECTION_EVERY_FRAME
    # A stream has one chunk at a time, so the number of chunks that wait is bounded by the number of streams.
    answer = await serving.infer(call, servable, row, every_frame=every_frame, may_wait=True)
    prediction = Prediction.of(servable, row, answer, session=session)
    result = ChunkResult(
        prediction_id=prediction.id,
        first_frame=chunk.first_frame,
        frame_count=frame_count,
        outputs=encode(select(answer.outputs, selection)),
        classification=classify(answer.outputs, servable.labels),
        extra_outputs=select_extra(answer, selection),
        batch_size=answer.batch_size,
        padded_frames=answer.padded_frames,
    )
    session.advance(chunk, answer.states, result)
    call.first_output_at = call.first_output_at or time.perf_counter()
    serving.publish(prediction)
    return result


async def _next(requests: AsyncIterator[StreamRequest]) -> StreamRequest:
    try:
        return await anext(requests)
    except StopAsyncIteration:
        raise ServiceError(Reason.STREAM_CUT) from None


async def _next_chunk(requests: AsyncIterator[StreamRequest]) -> list[Chunk] | None:
    """Wait for the next chunk. It comes in a list, so that it can be removed; None if the caller closes the stream."""
    message = await _next(requests)
    return None if message.WhichOneof("message") == "close" else [_expect_chunk(message)]


def _expect_open(message: StreamRequest) -> Open:
    match message.WhichOneof("message"):
        case "open":
            return message.open
        case None:
            raise ServiceError(Reason.EMPTY_MESSAGE)
        case _:
            raise ServiceError(Reason.STREAM_NOT_OPEN)


def _expect_chunk(message: StreamRequest) -> Chunk:
    match message.WhichOneof("message"):
        case "chunk":
            return message.chunk
        case "open":
            raise ServiceError(Reason.STREAM_ALREADY_OPEN)
        case _:
            raise ServiceError(Reason.EMPTY_MESSAGE)


async def _expect_nothing(requests: AsyncIterator[StreamRequest]) -> None:
    """Wait until the caller closes its half.

    Raises:
        ServiceError: STREAM_CLOSED, if another message arrives instead.

    """
    try:
        async with asyncio.timeout(_LINGER_SECONDS):
            await anext(requests)
    except (StopAsyncIteration, TimeoutError):
        return
    raise ServiceError(Reason.STREAM_CLOSED)
