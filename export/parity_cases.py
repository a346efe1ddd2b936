"""The cases on which ONNX Runtime is compared with PyTorch: real frames, ragged batches, random cuts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from models.data import Split

LENGTHS = (1, 2, 3, 7, 16, 31)  # and the longest of the training split
BATCHES = (1, 8)
_MOST_CHUNKS = 5


@dataclass(frozen=True, kw_only=True)
class Case:
    """A padded batch, and for each row the lengths of the chunks it comes in (one chunk: whole)."""

    frames: npt.NDArray[Any]
    length: npt.NDArray[np.int64]
    chunks: npt.NDArray[np.int64]  # [batch, number of chunks], each at least 1


def cases(split: Split, rng: np.random.Generator, *, causal: bool) -> Iterator[Case]:
    """Yield every case; those in chunks for a causal model only."""
    longest = max(len(sequence) for sequence in split.sequences)
    for frames in sorted({*LENGTHS, longest}):
        for batch in BATCHES:
            length = np.array([frames, *rng.integers((frames + 1) // 2, frames + 1, batch - 1)], np.int64)
            padded = _padded(split, length, rng)
            yield Case(frames=padded, length=length, chunks=length[:, None])
            count = min(_MOST_CHUNKS, int(length.min()))
            if causal and count > 1:
                yield Case(frames=padded, length=length, chunks=np.stack([_cut(n, count, rng) for n in length]))


def _padded(split: Split, length: npt.NDArray[np.int64], rng: np.random.Generator) -> npt.NDArray[Any]:
    """Rows of real frames, one sequence after the other until a row is full; numbers are padded with NaN."""
    first = split.sequences[0]
    filler = np.nan if first.dtype.kind == "f" else 0
    padded = np.full((len(length), length.max(), *first.shape[1:]), filler, first.dtype)
    for row, frames in zip(padded, length, strict=True):
        filled = 0
        while filled < frames:
            sequence = split.sequences[rng.integers(len(split))][: frames - filled]
            row[filled : filled + len(sequence)] = sequence
            filled += len(sequence)
    return padded


def _cut(frames: int, count: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    cuts = np.sort(rng.choice(np.arange(1, frames), count - 1, replace=False))
    return np.diff(np.concatenate([[0], cuts, [frames]])).astype(np.int64)
