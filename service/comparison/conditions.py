"""The conditions, each one difference from "alone and whole": the usual choice, and the bounds of a comparison."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from service.core.errors import Reason, ServiceError
from soloist.v1 import sequence_inference_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Sequence

_NEIGHBOUR_COUNTS = (1, 7, 31)
_NEIGHBOUR_SCALES = (1.0, 10.0, 100.0)
_PADDED_RATIO = 2
_CHUNK_FRAMES = (1, 7)
MAX_NEIGHBOURS = 64
MAX_SCALE = 1e6
MAX_CONDITIONS = 32
MAX_SIBLINGS = 7
# The frames of one run, padding included, and of all conditions and models together.
MAX_RUN_FRAMES = 2**16
MAX_FRAMES = 2**21


@dataclass(frozen=True, kw_only=True)
class BatchNeighbours:
    """`count` other sequences are in the batch, their values `scale` times ordinary ones."""

    count: int
    scale: float = 1.0

    def run_frames(self, length: int, neighbour_lengths: Sequence[int]) -> int:
        """Return the frames of the one run, padding included, for a sequence of `length` frames."""
        return (self.count + 1) * max([length, *neighbour_lengths[: self.count]])

    def to_message(self) -> pb.Condition:
        """Return it as a message."""
        return pb.Condition(neighbours=pb.BatchNeighbours(count=self.count, scale=self.scale))


@dataclass(frozen=True, kw_only=True)
class Padded:
    """The sequence is padded with zeros to `frames`."""

    frames: int

    def run_frames(self, _length: int, _neighbour_lengths: Sequence[int]) -> int:
        """Return the frames of the one run, padding included."""
        return self.frames

    def to_message(self) -> pb.Condition:
        """Return it as a message."""
        return pb.Condition(padded_frames=self.frames)


@dataclass(frozen=True, kw_only=True)
class Chunked:
    """The sequence is cut into chunks of `frames`; the last may be shorter."""

    frames: int

    def run_frames(self, length: int, _neighbour_lengths: Sequence[int]) -> int:
        """Return the frames of all runs together."""
        return length

    def to_message(self) -> pb.Condition:
        """Return it as a message."""
        return pb.Condition(chunk_frames=self.frames)


Condition: TypeAlias = BatchNeighbours | Padded | Chunked


def read(messages: Sequence[pb.Condition]) -> list[Condition]:
    """Return the inverse of `to_message`; values are not checked.

    Raises:
        ServiceError: EMPTY_CONDITION.

    """
    return [_read(index, message) for index, message in enumerate(messages)]


def default_conditions(
    length: int, *, has_scale: bool, neighbour_lengths: Sequence[int], max_frames: int, max_run_frames: int
) -> list[Condition]:
    """Return the usual conditions for a sequence of `length` frames, within the bounds of a sequence and of a run.

    `has_scale`: the frames are numbers, not tokens. `neighbour_lengths`: those of neighbours that the caller sent, if
    any.
    """
    scales = _NEIGHBOUR_SCALES if has_scale else (1.0,)
    company: list[Condition] = [
        BatchNeighbours(count=count, scale=scale) for scale in scales for count in _NEIGHBOUR_COUNTS
    ]
    if neighbour_lengths:
        company = [BatchNeighbours(count=len(neighbour_lengths))]
    cuts = [Chunked(frames=frames) for frames in _CHUNK_FRAMES if frames < length]
    padded = [Padded(frames=_PADDED_RATIO * length)] if _PADDED_RATIO * length <= max_frames else []
    usual: list[Condition] = [*company, *padded, *cuts]
    return [each for each in usual if each.run_frames(length, neighbour_lengths) <= max_run_frames]


def _read(index: int, message: pb.Condition) -> Condition:
    match message.WhichOneof("condition"):
        case "neighbours":
            scale = message.neighbours.scale if message.neighbours.HasField("scale") else 1.0
            return BatchNeighbours(count=message.neighbours.count, scale=scale)
        case "padded_frames":
            return Padded(frames=message.padded_frames)
        case "chunk_frames":
            return Chunked(frames=message.chunk_frames)
        case _:
            raise ServiceError(Reason.EMPTY_CONDITION, condition=index)


def check(
    conditions: Sequence[Condition],
    *,
    length: int,
    neighbour_lengths: Sequence[int],
    max_frames: int,
    has_scale: bool,
    models: int,
) -> None:
    """Refuse conditions that are out of range or too large.

    `length` is that of the sequence, `neighbour_lengths` those of neighbours that the caller sent, if any. `max_frames`
    is the longest sequence that the server and every model takes. `has_scale`: frames are not tokens.

    Raises:
        ServiceError: COMPARISON_OUT_OF_RANGE or COMPARISON_TOO_LARGE.

    """
    in_range("conditions", len(conditions), 1, MAX_CONDITIONS)
    most_neighbours = len(neighbour_lengths) or MAX_NEIGHBOURS
    for condition in conditions:
        match condition:
            case BatchNeighbours(count=count, scale=scale):
                in_range("mates.count", count, 1, most_neighbours)
                lowest, highest = (0, MAX_SCALE) if has_scale else (1, 1)
                in_range("mates.scale", scale, lowest, highest)
            case Padded(frames=frames):
                in_range("padded_frames", frames, length, max_frames)
            case Chunked(frames=frames):
                in_range("chunk_frames", frames, 1, length)
    runs = [length, *(condition.run_frames(length, neighbour_lengths) for condition in conditions)]
    _not_too_large("one run", max(runs), MAX_RUN_FRAMES)
    _not_too_large("the comparison", models * sum(runs), MAX_FRAMES)


def in_range(field: str, value: float, minimum: float, maximum: float) -> None:
    """Refuse a number that isn't within both bounds.

    Raises:
        ServiceError: COMPARISON_OUT_OF_RANGE.

    """
    if math.isnan(value) or not minimum <= value <= maximum:
        facts = {"minimum": f"{minimum:g}", "maximum": f"{maximum:g}"}
        raise ServiceError(Reason.COMPARISON_OUT_OF_RANGE, field=field, value=value, **facts)


def _not_too_large(scope: str, frames: int, max_frames: int) -> None:
    if frames > max_frames:
        raise ServiceError(Reason.COMPARISON_TOO_LARGE, scope=scope, frame_count=frames, max_frames=max_frames)
