"""The cases of a certificate: a sequence, its neighbours, padding and cuts; known dangers first, then random ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from soloist.v1 import certificate_pb2 as pb

ZEROS, GARBAGE, NAN = "zeros", "garbage", "nan"

# Vector units work on 4, 8 and 16 numbers; errors appear at the remainders: 1, and 3 more than a multiple of 4.
_LENGTHS = (1, 2, 3, 4, 5, 7, 8, 11, 15, 16, 17, 23, 31, 32, 33, 47, 63, 65, 100, 127, 163, 200)
_BATCH_SIZES = (2, 3, 4, 5, 7, 8, 13, 16, 17, 32, 33, 64)
_NEIGHBOUR_SCALES = (1.0, 100.0, 0.0)
_PADDINGS = (ZEROS, GARBAGE, NAN)
# Bounds on the work of a case: frames of a run with padding, and rows of all its runs.
_MAX_RUN_FRAMES = 2048
_MAX_ROWS = 512


@dataclass(frozen=True, kw_only=True)
class Case:
    """All that is needed to repeat a case: `seed` draws the sequence under test and its neighbours.

    `chunks` are the lengths of its pieces, in frames. In every run each row has `padding_frames` frames more than the
    row under test needs, filled with `padding`; neighbours have any length up to that. Without padding they are as long
    as the row under test. `misaligned` puts inputs at addresses that are no multiple of 16 bytes.
    """

    seed: int
    chunks: tuple[int, ...]
    batch_size: int = 1
    neighbour_scale: float = 1.0
    padding_frames: int = 0
    padding: str = ZEROS
    misaligned: bool = False

    @property
    def length(self) -> int:
        """Return the frames of the sequence under test."""
        return sum(self.chunks)

    def dimensions(self) -> list[pb.Dimension.ValueType]:
        """Return what the case varies against "alone and whole"."""
        varied = [
            (pb.DIMENSION_BATCH, self.batch_size > 1),
            (pb.DIMENSION_PADDING, self.padding_frames > 0),
            (pb.DIMENSION_CHUNKING, len(self.chunks) > 1),
        ]
        return [dimension for dimension, holds in varied if holds]

    def without(self, dimension: pb.Dimension.ValueType) -> Case:
        """Return the same case with one dimension as in "alone and whole"."""
        match dimension:
            case pb.DIMENSION_BATCH:
                return replace(self, batch_size=1, neighbour_scale=1.0)
            case pb.DIMENSION_PADDING:
                return replace(self, padding_frames=0, padding=ZEROS)
            case _:
                return replace(self, chunks=(self.length,))

    def times(self, frames: int) -> Case:
        """Return the same case with all lengths in frames multiplied by `frames`."""
        if frames == 1:
            return self
        return replace(
            self, chunks=tuple(frames * chunk for chunk in self.chunks), padding_frames=frames * self.padding_frames
        )

    def to_message(self, *, tensor: str) -> pb.FailingCase:
        """Return it as a message; `tensor` is the output or state that differed."""
        return pb.FailingCase(
            batch_size=self.batch_size,
            length=self.length,
            padded_length=max(self.chunks) + self.padding_frames,
            chunks=self.chunks if len(self.chunks) > 1 else (),
            padding=self.padding if self.padding_frames else "",
            neighbour_scale=self.neighbour_scale,
            tensor=tensor,
            seed=self.seed,
            misaligned=self.misaligned,
        )

    @classmethod
    def from_message(cls, failing: pb.FailingCase) -> Case:
        """Return the inverse of `to_message`."""
        chunks = tuple(failing.chunks) or (failing.length,)
        return cls(
            seed=failing.seed,
            chunks=chunks,
            batch_size=failing.batch_size,
            neighbour_scale=failing.neighbour_scale,
            padding_frames=failing.padded_length - max(chunks),
            padding=failing.padding or ZEROS,
            misaligned=failing.misaligned,
        )


@dataclass(frozen=True, kw_only=True)
class Scope:
    """What applies to a model: whether rows share runs, are padded, and are cut; its longest sequence, in frames."""

    batching: bool
    padding: bool
    chunking: bool
    max_frames: int


def cases(scope: Scope, seed: int) -> Iterator[Case]:
    """Yield cases for ever, within the scope."""
    rng = np.random.default_rng(seed)
    yield from _fixed(scope, rng)
    while True:
        yield _random(scope, rng)


def _fixed(scope: Scope, rng: np.random.Generator) -> Iterator[Case]:
    lengths = [length for length in _LENGTHS if length <= min(scope.max_frames, 65)]
    for index, length in enumerate(lengths):
        for size in (2, _BATCH_SIZES[index % len(_BATCH_SIZES)]) if scope.batching else ():
            yield Case(seed=_seed(rng), chunks=(length,), batch_size=size, neighbour_scale=_NEIGHBOUR_SCALES[index % 3])
        if scope.padding:
            for padding in _PADDINGS:
                yield Case(seed=_seed(rng), chunks=(length,), padding_frames=1 + index, padding=padding)
        if scope.chunking and length > 1:
            yield Case(seed=_seed(rng), chunks=(1,) * length)
            yield Case(seed=_seed(rng), chunks=(length - 1, 1))
            yield Case(seed=_seed(rng), chunks=(1, length - 1), misaligned=True)


def _random(scope: Scope, rng: np.random.Generator) -> Case:
    length = int(rng.choice([length for length in _LENGTHS if length <= scope.max_frames]))
    chunks = _cut(length, rng) if scope.chunking and rng.random() < 0.7 else (length,)
    padded = bool(scope.padding and rng.random() < 0.6)
    padding_frames = int(rng.integers(1, 1 + 2 * max(chunks))) if padded else 0
    largest = max(1, min(_MAX_RUN_FRAMES // (max(chunks) + padding_frames), _MAX_ROWS // len(chunks)))
    size = int(rng.choice([size for size in (1, *_BATCH_SIZES) if size <= largest])) if scope.batching else 1
    return Case(
        seed=_seed(rng),
        chunks=chunks,
        batch_size=size,
        neighbour_scale=float(rng.choice(_NEIGHBOUR_SCALES)) if size > 1 else 1.0,
        padding_frames=padding_frames,
        padding=str(rng.choice(_PADDINGS)) if padded else ZEROS,
        misaligned=bool(rng.random() < 0.3),
    )


def _cut(length: int, rng: np.random.Generator) -> tuple[int, ...]:
    if rng.random() < 0.2:
        return (1,) * length
    cuts = np.flatnonzero(rng.random(length - 1) < rng.choice([0.05, 0.2, 0.5])) + 1
    return tuple(int(size) for size in np.diff([0, *cuts, length]))


def _seed(rng: np.random.Generator) -> int:
    return int(rng.integers(2**31))
