"""Owns what the small server answers to Compare: a model that keeps its bits, and a control that doesn't."""

from __future__ import annotations

from collections.abc import Sequence

from soloist.v1 import model_pb2, tensor_pb2
from soloist.v1 import sequence_inference_pb2 as pb

USUAL = [
    pb.Condition(neighbours=pb.BatchNeighbours(count=1, scale=1)),
    pb.Condition(neighbours=pb.BatchNeighbours(count=7, scale=100)),
    pb.Condition(padded_frames=6),
    pb.Condition(chunk_frames=1),
]
_KEPT = pb.Deviation(compared_outputs=6)
_MOVED = pb.Deviation(differing_outputs=6, compared_outputs=6, max_ulp=1000, max_abs_difference=0.25)
_FLIPPED = pb.Deviation(
    differing_outputs=6, compared_outputs=6, max_ulp=2**31 - 1, max_abs_difference=float("inf"), class_changed=True
)


def answer(
    model: model_pb2.Model, outputs: tensor_pb2.Tensor, frame_count: int, conditions: Sequence[pb.Condition]
) -> pb.CompareResponse:
    """Answer for `model` and its "control": other bits beside neighbours, another class beside loud ones, never cut."""
    conditions = conditions or USUAL
    right = pb.Classification(index=1, label="right", confidence=0.75)
    alone = pb.Outcome(outputs=outputs, classification=right)

    def outcome(deviation: pb.Deviation) -> pb.Outcome:
        left = pb.Classification(index=0, label="left", confidence=0.5)
        said = left if deviation.class_changed else right
        return pb.Outcome(outputs=outputs, classification=said, deviation=deviation)

    def moved(condition: pb.Condition) -> pb.Outcome:
        if condition.HasField("chunk_frames"):
            return pb.Outcome(not_run="it carries nothing from chunk to chunk")
        if condition.HasField("padded_frames"):
            return outcome(_KEPT)
        return outcome(_FLIPPED if condition.neighbours.scale > 1 else _MOVED)

    kept = pb.ModelComparison(
        model=model.name,
        version=model.version,
        norm="batch",
        alone=alone,
        outcomes=[outcome(_KEPT) for _ in conditions],
    )
    control = pb.ModelComparison(
        model="control",
        version=1,
        norm="batch_current",
        control=True,
        alone=alone,
        outcomes=[moved(condition) for condition in conditions],
        twin=model.name,
        deviation_from_twin=_MOVED,
    )
    return pb.CompareResponse(frame_count=frame_count, conditions=conditions, models=[kept, control])
