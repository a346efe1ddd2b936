"""ModelInfer: one request, of rows that are whole sequences, or of the next frames of one sequence.

A request that is refused leaves its sequence as it was; one that should have begun it leaves none.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from service.errors import Reason, ServiceError
from service.oip import parameters
from service.oip.exchange import Exchange
from service.oip.sequences import Key
from soloist.oip.grpc_service_pb2 import ModelInferRequest, ModelInferResponse

if TYPE_CHECKING:
    from service.handlers.call import Call
    from service.oip.parameters import Step
    from service.oip.parts import Parts
    from service.oip.sequences import Turn


async def model_infer(parts: Parts, call: Call, request: ModelInferRequest) -> ModelInferResponse:
    """Answer one request.

    Raises:
        ServiceError: what is wrong with it, or with its place in its sequence.

    """
    asked = parameters.read(request)
    if asked.timeout_seconds is not None:
        until = time.monotonic() + asked.timeout_seconds
        call.deadline = until if call.deadline is None else min(call.deadline, until)
    if asked.step is None:
        servable = parts.route(request.model_name, request.model_version, key=request.id)
        return await _whole(parts, Exchange(parts, call, request, servable, asked))
    key = Key(request.model_name, request.model_version, asked.step.sequence_id)
    async with parts.sequences.turn(key) as turn:
        if asked.step.start:
            turn.end("cancelled")
            servable = parts.route(request.model_name, request.model_version, key=repr(asked.step.sequence_id))
        else:
            servable = turn.session.servable
        exchange = Exchange(parts, call, request, servable, asked)
        if servable.manifest.causal:
            return await _step(parts, exchange, turn, asked.step, call)
        if not (asked.step.start and asked.step.end):
            raise ServiceError(Reason.MODEL_NOT_CAUSAL, model=servable.name, version=servable.version)
        return await _whole(parts, exchange)


async def _whole(parts: Parts, exchange: Exchange) -> ModelInferResponse:
    with exchange.counted():
        exchange.refuse()
        brought = await exchange.decode()
        before = brought or exchange.servable.runner.initial_states()
        max_rows = parts.max_rows_of(exchange.servable)
        if exchange.row_count > max_rows:
            raise ServiceError(Reason.BATCH_TOO_LARGE, rows=exchange.row_count, max_rows=max_rows)
        await exchange.run(before, max_frames=parts.serving.limits.max_frames, too_long=Reason.SEQUENCE_TOO_LONG)
        response = await exchange.respond(is_whole=brought is None)
    for prediction in exchange.predictions:
        exchange.observe_frames(len(prediction.row.frames))
        if prediction.is_whole:
            parts.serving.shadows.whole(prediction)
        parts.serving.tell(prediction)
    return response


async def _step(parts: Parts, exchange: Exchange, turn: Turn, step: Step, call: Call) -> ModelInferResponse:
    with exchange.counted():
        brought = await exchange.decode()
        if exchange.row_count != 1:
            raise ServiceError(Reason.SEQUENCE_ROWS, rows=exchange.row_count)
        if brought is not None and not step.start:
            raise ServiceError(Reason.SEQUENCE_STATES, sequence=repr(step.sequence_id))
        session = turn.begin(exchange.servable) if step.start else turn.session
        if step.start and brought is None:  # what came before states that were brought, no other version has seen
            session.shadow = parts.serving.shadows.begin(exchange.servable)
        call.session_id = session.id
        try:
            (answer,) = await exchange.run(
                brought or session.states,
                max_frames=parts.serving.limits.max_chunk_frames,
                too_long=Reason.CHUNK_TOO_LONG,
                frames_before=session.frame_count,
                position=session.position(ends=step.end, sequence_id=step.sequence_id),
            )
            response = await exchange.respond(session)
            session.carry(answer.states, len(exchange.rows[0].frames))
        except BaseException:
            if step.start:
                turn.end("error")
            raise
        (prediction,) = exchange.predictions
        parts.serving.shadows.step(session.shadow, prediction)
        parts.serving.tell(prediction)
    if step.end:
        turn.end("complete")
        exchange.observe_frames(session.frame_count)
    return response
