"""The answers to whole sequences and to chunks, in numpy arrays, and their requests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy.typing as npt

from soloist.client.catalogue import Version, which
from soloist.client.frames import Array, numbers, to_array, to_tensor
from soloist.client.texts import utf8
from soloist.v1 import sequence_inference_pb2 as pb
from soloist.v1 import tensor_pb2

# Auxiliary inputs by name, in the model's own types.
Inputs = Mapping[str, npt.ArrayLike]
CLOSE = pb.StreamRequest(close=pb.Close())


@dataclass(frozen=True, kw_only=True, eq=False)
class _Answer:
    outputs: Array
    index: int | None
    label: str | None
    confidence: float | None
    prediction_id: str
    model: str
    version: int
    frame_count: int
    extra_outputs: Mapping[str, Array] = field(default_factory=dict)
    batch_size: int = 0  # 0 if the server doesn't report it
    padded_frames: int = 0


@dataclass(frozen=True, kw_only=True, eq=False)
class Prediction(_Answer):
    """The answer to a whole sequence.

    `outputs` is [class] at the last frame, or [time, class] with every_frame. `index`, `label` and `confidence`
    (softmax, not calibrated) belong to the last frame; they are None if the model is no classifier. `extra_outputs` are
    the model's other outputs by name, selected in the same way. `batch_size` sequences shared a run with it, itself
    included (the most, if it took several runs); `padded_frames` were computed for it, with padding.
    """


@dataclass(frozen=True, kw_only=True, eq=False)
class ChunkResult(_Answer):
    """The answer to one chunk, of frames first_frame … first_frame + frame_count - 1; otherwise as Prediction."""

    first_frame: int


def predict_request(
    model: str, version: Version | None, array: Array, *, every_frame: bool, inputs: Inputs | None = None
) -> pb.PredictRequest:
    """Return the request for one whole sequence."""
    return pb.PredictRequest(
        **which(model, version),
        frames=to_tensor(array),
        output_selection=_selection(every_frame),
        inputs=_named(inputs),
    )


def open_request(model: str, version: Version | None, *, every_frame: bool) -> pb.StreamRequest:
    """Return the message that opens a stream."""
    selection = _selection(every_frame)
    return pb.StreamRequest(open=pb.Open(**which(model, version), output_selection=selection))


def chunk_request(first_frame: int, array: Array, inputs: Inputs | None = None) -> pb.StreamRequest:
    """Return the message of frames first_frame … first_frame + len(array) - 1, and the auxiliary inputs."""
    chunk = pb.Chunk(first_frame=first_frame, frames=to_tensor(array), inputs=_named(inputs))
    return pb.StreamRequest(chunk=chunk)


def prediction(response: pb.PredictResponse) -> Prediction:
    """Unpack the answer to a whole sequence."""
    return Prediction(model=response.model, version=response.version, **_answer(response))


def chunk_result(result: pb.ChunkResult, opened: pb.Opened) -> ChunkResult:
    """Unpack the answer to one chunk of an open stream."""
    answer = _answer(result)
    return ChunkResult(model=opened.model, version=opened.version, first_frame=result.first_frame, **answer)


def classification(
    answer: pb.PredictResponse | pb.ChunkResult | pb.Outcome,
) -> tuple[int | None, str | None, float | None]:
    """Unpack index, label and confidence; None each if the model is no classifier."""
    if not answer.HasField("classification"):
        return None, None, None
    found = answer.classification
    return found.index, found.label, found.confidence


def _answer(message: pb.PredictResponse | pb.ChunkResult) -> dict[str, Any]:
    index, label, confidence = classification(message)
    return {
        "outputs": to_array(message.outputs),
        "index": index,
        "label": label,
        "confidence": confidence,
        "prediction_id": message.prediction_id,
        "frame_count": message.frame_count,
        "extra_outputs": {named.name: to_array(named.tensor) for named in message.extra_outputs},
        "batch_size": message.batch_size,
        "padded_frames": message.padded_frames,
    }


def _named(inputs: Inputs | None) -> list[tensor_pb2.NamedTensor]:
    given = (inputs or {}).items()
    return [
        tensor_pb2.NamedTensor(name=utf8("inputs", name), tensor=to_tensor(numbers(value))) for name, value in given
    ]


def _selection(every_frame: bool) -> pb.OutputSelection.ValueType:
    return pb.OUTPUT_SELECTION_EVERY_FRAME if every_frame else pb.OUTPUT_SELECTION_LAST
