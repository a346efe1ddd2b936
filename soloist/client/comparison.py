"""The comparison of answers: the conditions, how far each answer is from the one alone, and the messages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from soloist.client.catalogue import Version, which
from soloist.client.frames import Array, to_array, to_tensor
from soloist.client.predictions import classification
from soloist.client.texts import utf8
from soloist.integers import int32, int64
from soloist.v1 import sequence_inference_pb2 as pb


@dataclass(frozen=True)
class BatchNeighbours:
    """`count` (1 to 64) other sequences share the batch, their values `scale` times ordinary ones; 0: all zeros."""

    count: int
    scale: float = 1.0


@dataclass(frozen=True)
class Padded:
    """The sequence is padded with zeros to `frames`, its own included."""

    frames: int


@dataclass(frozen=True)
class Chunked:
    """The sequence is cut into chunks of `frames`; the last may be shorter."""

    frames: int


Condition: TypeAlias = BatchNeighbours | Padded | Chunked


@dataclass(frozen=True, kw_only=True)
class Deviation:
    """How far the outputs at every frame are from those of the reference.

    `differing_outputs` of `compared_outputs` (frames × classes) have other bits; 0 is the promise. `max_ulp` counts
    units in the last place, at most 2^31 - 1. `max_abs_difference` is infinite if a value is not finite.
    """

    differing_outputs: int
    compared_outputs: int
    max_ulp: int
    max_abs_difference: float
    class_changed: bool

    @property
    def same_bits(self) -> bool:
        """Return whether every output has the bits of the reference."""
        return self.differing_outputs == 0


@dataclass(frozen=True, kw_only=True, eq=False)
class Outcome:
    """The answer under one condition: `outputs` [class] at the last frame, and their class, as in Prediction.

    `condition` and `deviation` are None for the reference: alone, unpadded and whole. If the model could not be run
    under the condition, `not_run` says why, and there is nothing else.
    """

    condition: Condition | None
    outputs: Array | None
    index: int | None
    label: str | None
    confidence: float | None
    deviation: Deviation | None
    not_run: str


@dataclass(frozen=True, kw_only=True, eq=False)
class ModelComparison:
    """One model under all conditions.

    A `control` exists to fail in a known way. Its `twin` is the compared model with the same weights that is no
    control: for BatchNorm with the statistics of the batch at hand, the one with running statistics.
    `deviation_from_twin` is between their answers alone.
    """

    model: str
    version: int
    norm: str
    control: bool
    alone: Outcome
    outcomes: list[Outcome]
    twin: str | None
    deviation_from_twin: Deviation | None

    @property
    def same_bits(self) -> bool:
        """Return whether every answer has the bits of the one alone."""
        return all(outcome.deviation.same_bits for outcome in self.outcomes if outcome.deviation is not None)


@dataclass(frozen=True, kw_only=True, eq=False)
class Comparison:
    """The requested model, then its siblings; each has one outcome per condition, in the order of `conditions`."""

    frame_count: int
    conditions: list[Condition]
    models: list[ModelComparison]


def compare_request(
    model: str,
    version: Version | None,
    frames: Array,
    *,
    siblings: Sequence[str],
    conditions: Sequence[Condition],
    neighbours: Sequence[Array],
    seed: int,
) -> pb.CompareRequest:
    """Return the request for a comparison."""
    return pb.CompareRequest(
        **which(model, version),
        siblings=[utf8("siblings", each) for each in siblings],
        frames=to_tensor(frames),
        conditions=[_to_message(condition) for condition in conditions],
        seed=int64("seed", seed),
        neighbours=[to_tensor(each) for each in neighbours],
    )


def comparison(response: pb.CompareResponse) -> Comparison:
    """Unpack a comparison."""
    conditions = [_condition(message) for message in response.conditions]
    models = [_model(message, conditions) for message in response.models]
    return Comparison(frame_count=response.frame_count, conditions=conditions, models=models)


def _to_message(condition: Condition) -> pb.Condition:
    match condition:
        case BatchNeighbours(count=count, scale=scale):
            return pb.Condition(neighbours=pb.BatchNeighbours(count=int32("BatchNeighbours.count", count), scale=scale))
        case Padded(frames=frames):
            return pb.Condition(padded_frames=int64("Padded.frames", frames))
        case Chunked(frames=frames):
            return pb.Condition(chunk_frames=int64("Chunked.frames", frames))


def _condition(message: pb.Condition) -> Condition:
    match message.WhichOneof("condition"):
        case "padded_frames":
            return Padded(message.padded_frames)
        case "chunk_frames":
            return Chunked(message.chunk_frames)
        case _:
            return BatchNeighbours(message.neighbours.count, message.neighbours.scale)


def _model(message: pb.ModelComparison, conditions: Sequence[Condition]) -> ModelComparison:
    return ModelComparison(
        model=message.model,
        version=message.version,
        norm=message.norm,
        control=message.control,
        alone=_outcome(message.alone, None),
        outcomes=[_outcome(each, condition) for each, condition in zip(message.outcomes, conditions, strict=True)],
        twin=message.twin or None,
        deviation_from_twin=_deviation(message.deviation_from_twin) if message.twin else None,
    )


def _outcome(message: pb.Outcome, condition: Condition | None) -> Outcome:
    index, label, confidence = classification(message)
    return Outcome(
        condition=condition,
        outputs=to_array(message.outputs) if message.HasField("outputs") else None,
        index=index,
        label=label,
        confidence=confidence,
        deviation=_deviation(message.deviation) if message.HasField("deviation") else None,
        not_run=message.not_run,
    )


def _deviation(message: pb.Deviation) -> Deviation:
    return Deviation(
        differing_outputs=message.differing_outputs,
        compared_outputs=message.compared_outputs,
        max_ulp=message.max_ulp,
        max_abs_difference=message.max_abs_difference,
        class_changed=message.class_changed,
    )
