"""One thing that differs from "alone and whole": mates in the batch, padding, or cuts; and the usual choice of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from service.errors import Reason, ServiceError
from soloist.v1 import sequence_inference_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Sequence

_MATE_COUNTS = (1, 7, 31)
_MATE_SCALES = (1.0, 10.0, 100.0)
_PADDED_RATIO = 2
_CHUNK_FRAMES = (1, 7)


@dataclass(frozen=True, kw_only=True)
class BatchMates:
    """`count` other sequences are in the batch, their values `scale` times ordinary ones."""

    count: int
    scale: float = 1.0

    def run_frames(self, length: int, mate_lengths: Sequence[int]) -> int:
        """Frames of the one run, padding included, for a sequence of `length` frames."""
        return (self.count + 1) * max([length, *mate_lengths[: self.count]])

    def to_message(self) -> pb.Condition:
        """Say it as a message."""
        return pb.Condition(mates=pb.BatchMates(count=self.count, scale=self.scale))


@dataclass(frozen=True, kw_only=True)
class Padded:
    """The sequence is padded with zeros to `frames`."""

    frames: int

    def run_frames(self, _length: int, _mate_lengths: Sequence[int]) -> int:
        """Frames of the one run, padding included."""
        return self.frames

    def to_message(self) -> pb.Condition:
        """Say it as a message."""
        return pb.Condition(padded_frames=self.frames)


@dataclass(frozen=True, kw_only=True)
class Chunked:
    """The sequence is cut into chunks of `frames`; the last may be shorter."""

    frames: int

    def run_frames(self, length: int, _mate_lengths: Sequence[int]) -> int:
        """Frames of all runs together."""
        return length

    def to_message(self) -> pb.Condition:
        """Say it as a message."""
        return pb.Condition(chunk_frames=self.frames)


Condition: TypeAlias = BatchMates | Padded | Chunked


def read(messages: Sequence[pb.Condition]) -> list[Condition]:
    """Inverse of `to_message`; values are not checked.

    Raises:
        ServiceError: EMPTY_CONDITION.

    """
    return [_read(index, message) for index, message in enumerate(messages)]


def default_conditions(
    length: int, *, has_scale: bool, mate_lengths: Sequence[int], max_frames: int, max_run_frames: int
) -> list[Condition]:
    """Choose what to vary for a sequence of `length` frames, within the bounds of a sequence and of a run, in frames.

    `has_scale`: the frames are numbers, not tokens. `mate_lengths`: of the mates the caller has sent, if any.
    """
    scales = _MATE_SCALES if has_scale else (1.0,)
    company: list[Condition] = [BatchMates(count=count, scale=scale) for scale in scales for count in _MATE_COUNTS]
    if mate_lengths:
        company = [BatchMates(count=len(mate_lengths))]
    cuts = [Chunked(frames=frames) for frames in _CHUNK_FRAMES if frames < length]
    padded = [Padded(frames=_PADDED_RATIO * length)] if _PADDED_RATIO * length <= max_frames else []
    usual: list[Condition] = [*company, *padded, *cuts]
    return [each for each in usual if each.run_frames(length, mate_lengths) <= max_run_frames]


def _read(index: int, message: pb.Condition) -> Condition:
    match message.WhichOneof("condition"):
        case "mates":
            scale = message.mates.scale if message.mates.HasField("scale") else 1.0
            return BatchMates(count=message.mates.count, scale=scale)
        case "padded_frames":
            return Padded(frames=message.padded_frames)
        case "chunk_frames":
            return Chunked(frames=message.chunk_frames)
        case _:
            raise ServiceError(Reason.EMPTY_CONDITION, condition=index)
