"""What a caller gets back: answers with numpy arrays, and what is known of models."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

from soloist.client.tensors import Array, to_array
from soloist.v1 import model_pb2, sequence_inference_pb2


@dataclass(frozen=True, kw_only=True, eq=False)
class Prediction:
    """The answer to a whole sequence.

    `outputs` is [class] at the last frame, or [time, class] with every_frame. `index`, `label` and `confidence`
    (softmax, not calibrated) belong to the last frame; they are None when the model is no classifier. `extra_outputs`
    are what the model gives beside, by name, selected alike. `batch_size` sequences shared a run with it, itself
    included (the most, where it took several runs); `padded_frames` were computed for it, padding counted.
    """

    outputs: Array
    index: int | None
    label: str | None
    confidence: float | None
    prediction_id: str
    model: str
    version: int
    frame_count: int
    extra_outputs: Mapping[str, Array] = field(default_factory=dict)
    batch_size: int = 0  # by a server that doesn't tell
    padded_frames: int = 0


@dataclass(frozen=True, kw_only=True, eq=False)
class ChunkResult:
    """The answer to one chunk, which covers frames first_frame … first_frame + frame_count - 1; else as Prediction."""

    outputs: Array
    index: int | None
    label: str | None
    confidence: float | None
    prediction_id: str
    model: str
    version: int
    first_frame: int
    frame_count: int
    extra_outputs: Mapping[str, Array] = field(default_factory=dict)
    batch_size: int = 0  # by a server that doesn't tell
    padded_frames: int = 0


class ModelState(enum.StrEnum):
    """Whether a version of a model can be called."""

    UNKNOWN = "unknown"
    LOADING = "loading"
    READY = "ready"
    UNAVAILABLE = "unavailable"
    UNLOADING = "unloading"
    UNLOADED = "unloaded"


@dataclass(frozen=True, kw_only=True)
class ModelStatus:
    """One version of one model. A `control` exists to fail in a known way.

    `reason` says why it is not ready; of one that is, what an operator should know, like a file that has changed.
    """

    name: str
    version: int
    state: ModelState
    reason: str
    control: bool = False

    @property
    def ready(self) -> bool:
        """Tell whether it answers calls."""
        return self.state is ModelState.READY


@dataclass(frozen=True, kw_only=True)
class ModelInfo:
    """A model's status, and its manifest (soloist.v1.Model); None when that could not be read."""

    status: ModelStatus
    manifest: model_pb2.Model | None


def prediction(response: sequence_inference_pb2.PredictResponse) -> Prediction:
    """Unpack the answer to a whole sequence."""
    index, label, confidence = classification(response)
    return Prediction(
        outputs=to_array(response.outputs),
        index=index,
        label=label,
        confidence=confidence,
        prediction_id=response.prediction_id,
        model=response.model,
        version=response.version,
        frame_count=response.frame_count,
        extra_outputs={named.name: to_array(named.tensor) for named in response.extra_outputs},
        batch_size=response.batch_size,
        padded_frames=response.padded_frames,
    )


def chunk_result(result: sequence_inference_pb2.ChunkResult, opened: sequence_inference_pb2.Opened) -> ChunkResult:
    """Unpack the answer to one chunk of the stream that was opened so."""
    index, label, confidence = classification(result)
    return ChunkResult(
        outputs=to_array(result.outputs),
        index=index,
        label=label,
        confidence=confidence,
        prediction_id=result.prediction_id,
        model=opened.model,
        version=opened.version,
        first_frame=result.first_frame,
        frame_count=result.frame_count,
        extra_outputs={named.name: to_array(named.tensor) for named in result.extra_outputs},
        batch_size=result.batch_size,
        padded_frames=result.padded_frames,
    )


def model_status(status: sequence_inference_pb2.ModelStatus) -> ModelStatus:
    """Unpack the status of one version."""
    return ModelStatus(
        name=status.name,
        version=status.version,
        state=_STATES.get(status.state, ModelState.UNKNOWN),
        reason=status.reason,
        control=status.control,
    )


def model_info(response: sequence_inference_pb2.GetModelResponse) -> ModelInfo:
    """Unpack all that is known of one model."""
    manifest = response.model if response.HasField("model") else None
    return ModelInfo(status=model_status(response.status), manifest=manifest)


def classification(
    answer: sequence_inference_pb2.PredictResponse
    | sequence_inference_pb2.ChunkResult
    | sequence_inference_pb2.Outcome,
) -> tuple[int | None, str | None, float | None]:
    """Unpack index, label and confidence; None each when the model is no classifier."""
    if not answer.HasField("classification"):
        return None, None, None
    found = answer.classification
    return found.index, found.label, found.confidence


_STATES = {
    sequence_inference_pb2.MODEL_STATE_LOADING: ModelState.LOADING,
    sequence_inference_pb2.MODEL_STATE_READY: ModelState.READY,
    sequence_inference_pb2.MODEL_STATE_UNAVAILABLE: ModelState.UNAVAILABLE,
    sequence_inference_pb2.MODEL_STATE_UNLOADING: ModelState.UNLOADING,
    sequence_inference_pb2.MODEL_STATE_UNLOADED: ModelState.UNLOADED,
}
