"""One case of the proof: a sequence, who shares its batch, how it is padded and where it is cut."""

from __future__ import annotations

from dataclasses import dataclass, replace

from soloist.v1 import certificate_pb2 as pb

ZEROS, GARBAGE, NAN = "zeros", "garbage", "nan"


@dataclass(frozen=True, kw_only=True)
class Case:
    """All that is needed to make it again: `seed` draws the sequence under test and its mates.

    `chunks` are the lengths it is cut into, in frames. In every run each row has `padding_frames` frames more than the
    row under test needs, filled with `padding`; mates have any length up to that. Without padding they are as long as
    the row under test. `misaligned` puts inputs at addresses that are no multiple of 16 bytes.
    """

    seed: int
    chunks: tuple[int, ...]
    batch_size: int = 1
    mate_scale: float = 1.0
    padding_frames: int = 0
    padding: str = ZEROS
    misaligned: bool = False

    @property
    def length(self) -> int:
        """Frames of the sequence under test."""
        return sum(self.chunks)

    def dimensions(self) -> list[pb.Dimension.ValueType]:
        """Tell what the case varies against "alone and whole"."""
        varied = [
            (pb.DIMENSION_BATCH, self.batch_size > 1),
            (pb.DIMENSION_PADDING, self.padding_frames > 0),
            (pb.DIMENSION_CHUNKING, len(self.chunks) > 1),
        ]
        return [dimension for dimension, holds in varied if holds]

    def without(self, dimension: pb.Dimension.ValueType) -> Case:
        """Give the same case with one dimension as in "alone and whole"."""
        match dimension:
            case pb.DIMENSION_BATCH:
                return replace(self, batch_size=1, mate_scale=1.0)
            case pb.DIMENSION_PADDING:
                return replace(self, padding_frames=0, padding=ZEROS)
            case _:
                return replace(self, chunks=(self.length,))

    def times(self, frames: int) -> Case:
        """Give the same case with so many frames where it has one."""
        if frames == 1:
            return self
        return replace(
            self, chunks=tuple(frames * chunk for chunk in self.chunks), padding_frames=frames * self.padding_frames
        )

    def to_message(self, *, tensor: str) -> pb.FailingCase:
        """Say it as a message; `tensor` is the output or state that differed."""
        return pb.FailingCase(
            batch_size=self.batch_size,
            length=self.length,
            padded_length=max(self.chunks) + self.padding_frames,
            chunks=self.chunks if len(self.chunks) > 1 else (),
            padding=self.padding if self.padding_frames else "",
            mate_scale=self.mate_scale,
            tensor=tensor,
            seed=self.seed,
            misaligned=self.misaligned,
        )

    @classmethod
    def from_message(cls, failing: pb.FailingCase) -> Case:
        """Inverse of `to_message`."""
        chunks = tuple(failing.chunks) or (failing.length,)
        return cls(
            seed=failing.seed,
            chunks=chunks,
            batch_size=failing.batch_size,
            mate_scale=failing.mate_scale,
            padding_frames=failing.padded_length - max(chunks),
            padding=failing.padding or ZEROS,
            misaligned=failing.misaligned,
        )
