"""Which cases are tried: first a fixed list of forms that are known to break, then random ones without end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from service.certificate.case import GARBAGE, NAN, ZEROS, Case

# Vector units work on 4, 8 and 16 numbers; what breaks, breaks at the rests: 1, and 3 more than a multiple of 4.
_LENGTHS = (1, 2, 3, 4, 5, 7, 8, 11, 15, 16, 17, 23, 31, 32, 33, 47, 63, 65, 100, 127, 163, 200)
_BATCH_SIZES = (2, 3, 4, 5, 7, 8, 13, 16, 17, 32, 33, 64)
_MATE_SCALES = (1.0, 100.0, 0.0)
_PADDINGS = (ZEROS, GARBAGE, NAN)
# Bound a case's work: frames of a run, padding counted, and rows of all its runs.
_MAX_RUN_FRAMES = 2048
_MAX_ROWS = 512


@dataclass(frozen=True, kw_only=True)
class Scope:
    """What applies to a model: whether rows share runs, are padded, and are cut; its longest sequence, in frames."""

    batching: bool
    padding: bool
    chunking: bool
    max_frames: int


def cases(scope: Scope, seed: int) -> Iterator[Case]:
    """Yield cases for ever; what they vary is within the scope."""
    rng = np.random.default_rng(seed)
    yield from _fixed(scope, rng)
    while True:
        yield _random(scope, rng)


def _fixed(scope: Scope, rng: np.random.Generator) -> Iterator[Case]:
    lengths = [length for length in _LENGTHS if length <= min(scope.max_frames, 65)]
    for index, length in enumerate(lengths):
        for size in (2, _BATCH_SIZES[index % len(_BATCH_SIZES)]) if scope.batching else ():
            yield Case(seed=_seed(rng), chunks=(length,), batch_size=size, mate_scale=_MATE_SCALES[index % 3])
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
        mate_scale=float(rng.choice(_MATE_SCALES)) if size > 1 else 1.0,
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
