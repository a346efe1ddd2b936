"""The messages of Compare: made from a caller's arguments, and taken apart again."""

from __future__ import annotations

from collections.abc import Sequence

from soloist.client.comparison import (
    BatchNeighbours,
    Chunked,
    Comparison,
    Condition,
    Deviation,
    ModelComparison,
    Outcome,
    Padded,
)
from soloist.client.requests import Version, which
from soloist.client.results import classification
from soloist.client.tensors import Array, to_array, to_tensor
from soloist.v1 import sequence_inference_pb2 as pb


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
    """Ask what the answer to one sequence depends on."""
    return pb.CompareRequest(
        model=model,
        **which(version),
        siblings=siblings,
        frames=to_tensor(frames),
        conditions=[_to_message(condition) for condition in conditions],
        seed=seed,
        neighbours=[to_tensor(neighbour) for neighbour in neighbours],
    )


def comparison(response: pb.CompareResponse) -> Comparison:
    """Unpack what the answers depend on."""
    conditions = [_condition(message) for message in response.conditions]
    models = [_model(message, conditions) for message in response.models]
    return Comparison(frame_count=response.frame_count, conditions=conditions, models=models)


def _to_message(condition: Condition) -> pb.Condition:
    match condition:
        case BatchNeighbours(count=count, scale=scale):
            return pb.Condition(neighbours=pb.BatchNeighbours(count=count, scale=scale))
        case Padded(frames=frames):
            return pb.Condition(padded_frames=frames)
        case Chunked(frames=frames):
            return pb.Condition(chunk_frames=frames)


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
