"""ModelStreamInfer: requests as they come; those of one sequence in order, different sequences side by side.

Each request is answered, counted and refused by itself: an error is told in its answer, and the stream goes on.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator
from typing import TYPE_CHECKING

import structlog

from service.errors import Reason, ServiceError
from service.handlers.call import Call
from service.oip import parameters
from service.oip.model_infer import model_infer
from service.oip.silence import Silence
from soloist.oip.grpc_service_pb2 import ModelInferRequest, ModelInferResponse, ModelStreamInferResponse

if TYPE_CHECKING:
    from service.oip.parts import Parts

_log = structlog.get_logger("soloist.calls")
# Requests of one stream that are under way, or whose answers weren't taken: the next is read when one is, so that
# neither a caller who sends much nor one who doesn't read fills the memory.
_MAX_UNDER_WAY = 256
_Responses = asyncio.Queue[tuple[ModelInferRequest, ModelStreamInferResponse] | None]


async def model_stream_infer(
    parts: Parts, call: Call, requests: AsyncIterator[ModelInferRequest]
) -> AsyncGenerator[ModelStreamInferResponse]:
    """Answer requests until the caller has sent its last and all are answered.

    Raises:
        ServiceError: a message can't be read, or none comes for too long. All that came before it is answered first.

    """
    responses: _Responses = asyncio.Queue()
    under_way = asyncio.Semaphore(_MAX_UNDER_WAY)
    reading = asyncio.ensure_future(_read(parts, call, requests, responses, under_way))
    try:
        while (told := await responses.get()) is not None:
            request, response = told
            yield response
            call.done_with(request)
            under_way.release()
        await reading
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


async def _read(
    parts: Parts,
    call: Call,
    requests: AsyncIterator[ModelInferRequest],
    responses: _Responses,
    under_way: asyncio.Semaphore,
) -> None:
    failure: Exception | None = None
    silence = Silence(parts.serving.limits.idle_seconds)

    async def answer(request: ModelInferRequest) -> None:
        # No turn of the loop between a sequence's turn and this: answers leave in the order of the turns.
        response, idle_seconds = await _answer(parts, call, request)
        responses.put_nowait((request, response))
        silence.answered(idle_seconds)

    try:
        async with asyncio.TaskGroup() as group:
            try:
                async with silence.bounded():
                    async for request in requests:
                        silence.heard()
                        await under_way.acquire()
                        group.create_task(answer(request))
            except Exception as error:  # whatever it is, the answers to what was read come first
                failure = error
    finally:
        responses.put_nowait(None)  # however reading ends, nobody waits for more
    if failure is not None:
        raise failure


async def _answer(parts: Parts, stream: Call, request: ModelInferRequest) -> tuple[ModelStreamInferResponse, float]:
    """Answer one request; also tells for how many seconds its model lets a caller be silent, 0 if that isn't known."""
    call = Call(api=stream.api, peer=stream.peer, metadata=stream.metadata, deadline=stream.deadline)
    began = time.perf_counter()
    code = Reason.STREAM_CUT.code
    try:
        response = await model_infer(parts, call, request)
        stream.hold(request, response.ByteSize())
        code = "OK"
        parameters.tell_final(response)
        return ModelStreamInferResponse(infer_response=response), call.idle_seconds
    except ServiceError as error:
        code = error.reason.code
        _log.info("request refused", reason=error.reason.name, api=call.api, code=code, peer=call.peer)
        return _refusal(request, error), call.idle_seconds
    except Exception:
        code = Reason.INTERNAL.code
        _log.exception("request failed", api=call.api, code=code, peer=call.peer)
        return _refusal(request, ServiceError(Reason.INTERNAL)), call.idle_seconds
    finally:
        _record(parts, call, code, began)


def _refusal(request: ModelInferRequest, error: ServiceError) -> ModelStreamInferResponse:
    # The id, so that a caller knows whose error it is; the reason, because there is no other place for it.
    told = ModelInferResponse(model_name=request.model_name, model_version=request.model_version, id=request.id)
    parameters.tell_final(told)
    return ModelStreamInferResponse(error_message=f"{error.reason.name}: {error}", infer_response=told)


def _record(parts: Parts, call: Call, code: str, began: float) -> None:
    metrics, ended = parts.serving.metrics, time.perf_counter()
    labels = (call.model, call.version, call.api)
    metrics.requests.labels(*labels, code).inc()
    if call.model:
        metrics.request_seconds.labels(*labels).observe(ended - began)
        if call.first_output_at is not None:
            metrics.first_output_seconds.labels(*labels).observe(call.first_output_at - (call.first_frames_at or began))
