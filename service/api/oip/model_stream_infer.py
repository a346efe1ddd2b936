"""ModelStreamInfer: a stream of requests, answered side by side, and its idle timeout."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

import structlog

from service.api.oip import parameters
from service.api.oip.model_infer import model_infer
from service.core.errors import Reason, ServiceError
from service.core.written import field
from service.serving.call import Call
from soloist.oip.grpc_service_pb2 import ModelInferRequest, ModelInferResponse, ModelStreamInferResponse

if TYPE_CHECKING:
    from service.api.oip.context import OipContext

_log = structlog.get_logger("soloist.calls")
# Requests of one stream in progress, or with answers that the caller hasn't read. Beyond that no request is read, so
# that neither a caller who sends much nor one who doesn't read fills the memory.
_MAX_UNDER_WAY = 256
# Each response is in a list, so that it can be removed: while the caller doesn't read, only its bytes are in memory.
_Responses = asyncio.Queue[tuple[ModelInferRequest, list[bytes]] | None]


class Silence:
    """The idle timeout of a stream. Used once: `bounded` around the reader, which reports requests and answers."""

    def __init__(self, idle_seconds: float) -> None:
        self._idle_seconds = idle_seconds
        self._under_way = 0
        self._scope: asyncio.Timeout | None = None

    @asynccontextmanager
    async def bounded(self) -> AsyncIterator[None]:
        """End the block if no request was in progress or arrived for too long.

        Raises:
            ServiceError: SESSION_IDLE.

        """
        scope = asyncio.timeout(self._idle_seconds)
        try:
            async with scope:
                self._scope = scope
                try:
                    yield
                finally:
                    self._scope = None
        except TimeoutError:
            if not scope.expired():
                raise
            raise ServiceError(Reason.SESSION_IDLE, idle_seconds=self._idle_seconds) from None

    def heard(self) -> None:
        """Count a request as in progress."""
        self._under_way += 1
        self._wait_until(None)

    def answered(self, idle_seconds: float) -> None:
        """Count a request as answered; `idle_seconds` is how long its model allows callers to send nothing."""
        self._under_way -= 1
        self._idle_seconds = max(self._idle_seconds, idle_seconds)
        if not self._under_way:
            self._wait_until(asyncio.get_running_loop().time() + self._idle_seconds)

    def _wait_until(self, moment: float | None) -> None:
        if self._scope is not None and not self._scope.expired():
            self._scope.reschedule(moment)


async def model_stream_infer(
    context: OipContext, call: Call, requests: AsyncIterator[ModelInferRequest]
) -> AsyncGenerator[bytes]:
    """Answer requests, each with a written ModelStreamInferResponse, until all that the caller sends are answered.

    Raises:
        ServiceError: a message can't be read, or none arrives for too long. Earlier requests are answered first.

    """
    responses: _Responses = asyncio.Queue()
    under_way = asyncio.Semaphore(_MAX_UNDER_WAY)
    reading = asyncio.ensure_future(_read(context, call, requests, responses, under_way))
    try:
        while (told := await responses.get()) is not None:
            request, response = told
            yield response.pop()
            call.done_with(request)
            under_way.release()
        await reading
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


async def _read(
    context: OipContext,
    call: Call,
    requests: AsyncIterator[ModelInferRequest],
    responses: _Responses,
    under_way: asyncio.Semaphore,
) -> None:
    failure: Exception | None = None
    silence = Silence(context.serving.limits.idle_seconds)

    async def answer(request: ModelInferRequest) -> None:
        # No await after the request has left its sequence: answers leave in the order of the sequence.
        response, idle_seconds = await _answer(context, call, request)
        responses.put_nowait((request, [response]))
        silence.answered(idle_seconds)

    try:
        async with asyncio.TaskGroup() as group:
            try:
                async with silence.bounded():
                    async for request in requests:
                        silence.heard()
                        await under_way.acquire()
                        group.create_task(answer(request))
            except Exception as error:  # whatever it is, earlier requests are answered first
                failure = error
    finally:
        responses.put_nowait(None)  # however reading ends, the writer must not wait for more
    if failure is not None:
        raise failure


async def _answer(context: OipContext, stream: Call, request: ModelInferRequest) -> tuple[bytes, float]:
    """Answer one request; also return how many seconds its model allows a caller to send nothing, 0 if unknown."""
    call = Call(
        api=stream.api,
        peer=stream.peer,
        identity=stream.identity,
        read_metadata=stream.read_metadata,
        deadline=stream.deadline,
        hold_answer=partial(stream.hold, request),
    )
    began = time.perf_counter()
    code = Reason.STREAM_CUT.code
    try:
        response = await model_infer(context, call, request, _write)
        code = "OK"
        return response, call.idle_seconds
    except ServiceError as error:
        code, call.reason = error.reason.code, error.reason.name
        _log.info("request refused", reason=error.reason.name, api=call.api, code=code, peer=call.peer)
        return _refusal(request, error), call.idle_seconds
    except Exception:
        code, call.reason = Reason.INTERNAL.code, Reason.INTERNAL.name
        _log.exception("request failed", api=call.api, code=code, peer=call.peer)
        return _refusal(request, ServiceError(Reason.INTERNAL)), call.idle_seconds
    finally:
        context.serving.recorder.call_ended(call, code, began)


def _write(call: Call, response: ModelInferResponse) -> bytes:
    raw = field(ModelStreamInferResponse.INFER_RESPONSE_FIELD_NUMBER, response.SerializeToString() + _FINAL)
    call.hold_answer(len(raw))
    return raw


def _final() -> bytes:
    response = ModelInferResponse()
    parameters.write_final(response)
    return response.SerializeToString()


# Behind the bytes of a response it is one more parameter.
_FINAL = _final()


def _refusal(request: ModelInferRequest, error: ServiceError) -> bytes:
    # The id, so that a caller knows which request failed; the reason in the text, because it has no field of its own.
    response = ModelInferResponse(model_name=request.model_name, model_version=request.model_version, id=request.id)
    parameters.write_final(response)
    refused = ModelStreamInferResponse(error_message=f"{error.reason.name}: {error}", infer_response=response)
    return refused.SerializeToString()
