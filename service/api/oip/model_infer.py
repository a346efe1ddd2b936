"""ModelInfer: one request with rows that are whole sequences, or with the next frames of one sequence.

A refused request leaves its sequence unchanged; if it was the first one, no sequence begins.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from service.api.oip import parameters
from service.api.oip.infer_request import Finish, InferRequest, Result
from service.api.oip.sequences import Key
from service.core.errors import Reason, ServiceError
from service.serving.session_metrics import SessionEnd

if TYPE_CHECKING:
    from service.api.oip.context import OipContext
    from service.api.oip.parameters import Step
    from service.api.oip.sequences import SequenceLease
    from service.api.oip.stored_sequences import StoredLease
    from service.serving.call import Call
    from soloist.oip.grpc_service_pb2 import ModelInferRequest, ModelInferResponse


async def unary_infer(context: OipContext, call: Call, request: ModelInferRequest) -> bytes:
    """Answer ModelInfer: a ModelInferResponse, written.

    Raises:
        ServiceError: the request is invalid, or out of place in its sequence.

    """
    return await model_infer(context, call, request, _write)


def _write(call: Call, response: ModelInferResponse) -> bytes:
    raw = response.SerializeToString()
    call.hold_answer(len(raw))
    return raw


async def model_infer(
    context: OipContext,
    call: Call,
    request: ModelInferRequest,
    finish: Finish[Result],
) -> Result:
    """Answer one request with what `finish` makes of the response.

    Raises:
        ServiceError: the request is invalid, or out of place in its sequence.

    """
    asked = parameters.read(request)
    if asked.timeout_seconds is not None:
        until = time.monotonic() + asked.timeout_seconds
        call.deadline = until if call.deadline is None else min(call.deadline, until)
    if asked.step is None:
        servable = context.route(request.model_name, request.model_version, key=request.id)
        return await _whole(context, InferRequest(context, call, request, servable, asked), finish)
    key = Key(request.model_name, request.model_version, asked.step.sequence_id, call.owner)
    stored = context.stored
    async with (
        context.sequences.lease(key) if stored is None else stored.lease(key, call, request, asked.step) as lease
    ):
        if lease.answered is not None:
            return finish(call, lease.answered)
        if asked.step.start:
            lease.end(SessionEnd.CANCELLED)
            servable = context.route(request.model_name, request.model_version, key=repr(asked.step.sequence_id))
        else:
            servable = lease.session.servable
        infer = InferRequest(context, call, request, servable, asked)
        if servable.manifest.causal:
            return await _step(context, infer, lease, asked.step, call, finish)
        if not (asked.step.start and asked.step.end):
            raise ServiceError(Reason.MODEL_NOT_CAUSAL, model=servable.name, version=servable.version)
        return await _whole(context, infer, finish)


async def _whole(context: OipContext, infer: InferRequest, finish: Finish[Result]) -> Result:
    with infer.counted():
        infer.refuse()
        brought = await infer.decode()
        before = brought or infer.servable.runner.initial_states()
        max_rows = context.max_rows_of(infer.servable)
        if infer.row_count > max_rows:
            raise ServiceError(Reason.BATCH_TOO_LARGE, rows=infer.row_count, max_rows=max_rows)
        await infer.infer_rows(before, max_frames=context.serving.limits.max_frames, too_long=Reason.SEQUENCE_TOO_LONG)
        _, result = await infer.respond(finish, is_whole=brought is None)
    for prediction in infer.predictions:
        infer.observe_frames(len(prediction.row.frames))
        context.serving.publish(prediction)
    return result


async def _step(
    context: OipContext,
    infer: InferRequest,
    lease: SequenceLease | StoredLease,
    step: Step,
    call: Call,
    finish: Finish[Result],
) -> Result:
    with infer.counted():
        brought = await infer.decode()
        if infer.row_count != 1:
            raise ServiceError(Reason.SEQUENCE_ROWS, rows=infer.row_count)
        if brought is not None and not step.start:
            raise ServiceError(Reason.SEQUENCE_STATES, sequence=repr(step.sequence_id))
        session = lease.begin(infer.servable, call.client) if step.start else lease.session
        if step.start:
            session.from_initial_state = brought is None
        call.session_id = session.id
        try:
            session.require_place(step.first_frame)
            (answer,) = await infer.infer_rows(
                brought or session.states,
                max_frames=context.serving.limits.max_chunk_frames,
                too_long=Reason.CHUNK_TOO_LONG,
                frames_before=session.frame_count,
                position=session.position(ends=step.end, sequence_id=step.sequence_id),
            )
            response, result = await infer.respond(finish, session)
            session.carry(answer.states, len(infer.rows[0].frames))
            if (answered := await lease.keep(response, ends=step.end)) is not None:
                return finish(call, answered)
        except BaseException:
            if step.start:
                lease.end(SessionEnd.ERROR)
            raise
        (prediction,) = infer.predictions
        context.serving.publish(prediction)
    if step.end:
        lease.end(SessionEnd.COMPLETE)
        infer.observe_frames(session.frame_count)
    return result
