"""What a sequence is here: frames, what goes with every frame, and what stays the same; and how it is cut."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Outputs = dict[str, Array]  # each output by its name, time first


@dataclass(frozen=True, kw_only=True, eq=False)
class Sequence:
    """A sequence, or a piece of one: `frames` [time, …], and what goes with them.

    `per_frame` has an entry for every frame, `per_sequence` one for all. `initial_states` are the states [1, …] that
    the first piece starts from, where that isn't zeros.
    """

    frames: Array
    per_frame: Mapping[str, Array] = field(default_factory=dict)
    per_sequence: Mapping[str, Array] = field(default_factory=dict)
    initial_states: Mapping[str, Array] = field(default_factory=dict)

    @property
    def auxiliary_inputs(self) -> dict[str, Array]:
        """What goes with the frames, by name."""
        return {**self.per_frame, **self.per_sequence}

    def __len__(self) -> int:
        return len(self.frames)

    def cut(self, bounds: Iterable[int]) -> list[Sequence]:
        """Return the pieces between the frames where it is cut, in order."""
        edges = [0, *bounds, len(self)]
        return [
            Sequence(
                frames=self.frames[first:end],
                per_frame={name: each[first:end] for name, each in self.per_frame.items()},
                per_sequence=self.per_sequence,
                initial_states={} if first else self.initial_states,
            )
            for first, end in pairwise(edges)
        ]


def singly(length: int) -> list[int]:
    """Bounds that leave one frame a piece."""
    return list(range(1, length))


def at_random(length: int, seed: int) -> list[int]:
    """Bounds that leave pieces of 1 to 16 frames."""
    bounds = np.cumsum(np.random.default_rng(seed).integers(1, 17, size=length))
    return [int(bound) for bound in bounds if bound < length]


def joined(pieces: Iterable[Outputs]) -> Outputs:
    """Return the outputs of a sequence from those of its pieces."""
    listed = list(pieces)
    return {name: np.concatenate([each[name] for each in listed]) for name in listed[0]} if listed else {}


def numbers_that_differ(ours: Outputs, theirs: Outputs) -> int:
    """Count the numbers whose bits differ; an output of another size or type differs in all its numbers."""
    return sum(_differ(ours[name], each) if name in ours else each.size for name, each in theirs.items())


def _differ(ours: Array, theirs: Array) -> int:
    if ours.size != theirs.size or ours.dtype != theirs.dtype:
        return max(ours.size, theirs.size)
    bits = np.dtype(f"u{theirs.itemsize}")
    return int(np.count_nonzero(ours.ravel().view(bits) != np.ascontiguousarray(theirs).ravel().view(bits)))
