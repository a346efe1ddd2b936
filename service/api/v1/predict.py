"""Predict: one whole sequence, one answer."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from service.api.v1.answers import write
from service.core.errors import Reason, ServiceError
from service.serving.inputs import decode_row
from service.serving.prediction import Prediction
from soloist.v1.sequence_inference_pb2 import OUTPUT_SELECTION_EVERY_FRAME, PredictRequest, PredictResponse

if TYPE_CHECKING:
    from service.serving.call import Call
    from service.serving.inference import Serving


async def predict(serving: Serving, call: Call, request: PredictRequest) -> bytes:
    """Answer one whole sequence: a PredictResponse, written.

    Raises:
        ServiceError: there is no such model, the frames are not what it takes, or there is no memory for the answer.

    """
    servable = serving.repository.route(request.model, request.version, request.version_label)
    call.model, call.version = servable.name, str(servable.version)
    runner = servable.require_time_axis()
    serving.refuse(call, servable)
    limits, manifest = serving.limits, servable.manifest
    row = decode_row(
        request,
        servable.frames_form,
        runner.initial_states(),
        allow_non_finite=limits.allow_non_finite,
    )
    frame_count = len(row.frames)
    max_frames = min(limits.max_frames, manifest.max_frames or limits.max_frames)
    if frame_count > max_frames:
        raise ServiceError(Reason.SEQUENCE_TOO_LONG, frame_count=frame_count, max_frames=max_frames)
    selection = request.output_selection
    del request  # while it waits for its run, the frames are in memory once
    every_frame = selection == OUTPUT_SELECTION_EVERY_FRAME
    began = time.perf_counter()
    answer = await serving.infer(call, servable, row, every_frame=every_frame, is_let_in=True)

    def make() -> tuple[Prediction, bytes]:
        prediction = Prediction.of(servable, row, answer, is_whole=True, client=call.owner)
        response = PredictResponse(
            model=servable.name,
            version=servable.version,
            prediction_id=prediction.id,
            frame_count=frame_count,
        )
        raw = write(response, answer, selection, servable.labels)
        call.free_request()
        call.hold_answer(len(raw))
        return prediction, raw

    response = serving.respond(call, servable, answer, began, make)
    serving.recorder.sequence_ended(servable, frame_count)
    return response
