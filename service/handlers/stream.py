"""Stream: one sequence in chunks. Open, chunk…, close; the session lives exactly as long as the stream is open."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator
from typing import TYPE_CHECKING

from service.errors import Reason, ServiceError
from service.handlers.answer import classify, new_prediction_id, select
from service.tensors import decode_frames, encode
from soloist.v1.sequence_inference_pb2 import (
    Chunk,
    ChunkResult,
    Closed,
    Open,
    Opened,
    StreamRequest,
    StreamResponse,
)

if TYPE_CHECKING:
    from service.handlers.call import Call
    from service.handlers.serving import Serving
    from service.sessions import Session

# How long a closed stream may stay half open, so that a caller who sends more is told so instead of nothing.
_LINGER_SECONDS = 0.2


async def stream(
    serving: Serving, call: Call, requests: AsyncIterator[StreamRequest]
) -> AsyncGenerator[StreamResponse]:
    """Answer one sequence, chunk by chunk, in order.

    Raises:
        ServiceError: what is wrong with a message, or with its place in the stream. The session is freed.

    """
    opening = await _expect_open(requests)
    model = serving.repository.resolve(opening.model, opening.version)
    call.model, call.version = model.name, str(model.version)
    if not model.manifest.causal:
        raise ServiceError(Reason.MODEL_NOT_CAUSAL, model=model.name, version=model.version)
    with serving.sessions.open(model) as session:
        call.session_id = session.id
        yield StreamResponse(opened=Opened(session_id=session.id, model=model.name, version=model.version))
        results = _Results(serving, call, session, opening)
        async for request in requests:
            match request.WhichOneof("message"):
                case "chunk":
                    yield StreamResponse(result=await results.answer(request.chunk))
                case "close":
                    break
                case "open":
                    raise ServiceError(Reason.STREAM_ALREADY_OPEN)
                case _:
                    raise ServiceError(Reason.EMPTY_MESSAGE)
        else:
            raise ServiceError(Reason.STREAM_CUT)
        session.complete()
    yield StreamResponse(closed=Closed(frame_count=session.frame_count))
    call.completed = True
    await _expect_nothing(requests)
