"""Stream: one sequence in chunks. Open, chunk…, close; the session lives exactly as long as the stream."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import nullcontext
from typing import TYPE_CHECKING

from service.api.v1.chunks import Chunks
from service.api.v1.stream_requests import StreamRequests
from service.core.errors import Reason, ServiceError
from service.serving.idle_sessions import IdleStream
from soloist.v1.sequence_inference_pb2 import Closed, Open, Opened, StreamRequest, StreamResponse

if TYPE_CHECKING:
    from service.serving.call import Call
    from service.serving.inference import Serving
    from service.serving.resume import Resumption

_NO_TOKENS = nullcontext()


async def stream(
    serving: Serving, call: Call, messages: AsyncIterator[StreamRequest]
) -> AsyncGenerator[StreamResponse | bytes]:
    """Answer one sequence, chunk by chunk, in order.

    Raises:
        ServiceError: a message is invalid or out of place in the stream. The session is freed.

    """
    requests = StreamRequests(call, messages)
    opening = await requests.opening()
    resumption, brought = _resumption(serving, opening), None
    if resumption is None:
        servable = serving.repository.route(opening.model, opening.version, opening.version_label)
    else:
        servable, brought = resumption.route(opening, serving.repository, call.owner)
    call.model, call.version = servable.name, str(servable.version)
    servable.require_time_axis()
    if not servable.manifest.causal:
        raise ServiceError(Reason.MODEL_NOT_CAUSAL, model=servable.name, version=servable.version)
    with (
        serving.sessions.open(servable, call.is_past_deadline, call.client) as session,
        _NO_TOKENS if resumption is None else resumption.stream(opening, session, brought, call.owner) as resumable,
    ):
        call.session_id = session.id
        opened = Opened(session_id=session.id, model=servable.name, version=servable.version)
        if resumable is not None:
            requests.read_through(resumable.reading)
            opened.first_frame, opened.resume_token = session.frame_count, resumable.first_token()
        yield StreamResponse(opened=opened)
        call.idle_seconds = servable.idle_seconds(serving.limits.idle_seconds)
        answers = Chunks(serving, call, session, opening.output_selection, resumable)
        del opening, brought
        idle = IdleStream(serving.sessions.idle, session, None if resumable is None else resumable.evicted)
        # No name here holds a chunk or its answer, so a stream that waits keeps neither in memory.
        try:
            while (chunks := await requests.next_chunk(idle)) is not None:
                responds = await answers.answer(chunks.pop(), requests)
                while responds:
                    yield responds.pop()()
        except ServiceError as error:
            if resumable is not None and resumable.ends_with_token(error):
                yield StreamResponse(ended=resumable.last_message())
            raise
    if session.frame_count:
        serving.recorder.sequence_ended(servable, session.frame_count)
    yield StreamResponse(closed=Closed(frame_count=session.frame_count))
    await requests.expect_nothing()


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
