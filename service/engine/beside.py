"""What comes with a row's frames: further inputs, and where in its sequence the row stands.

Shapes: T frames.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

Arrays = Mapping[str, "NDArray[Any]"]
NOTHING: Arrays = MappingProxyType({})


def nothing() -> Arrays:
    """Return NOTHING: as a default, since it has no hash."""
    return NOTHING


@dataclass(frozen=True, kw_only=True, slots=True)
class Position:
    """Whether a row begins its sequence or is known to end it, and the sequence's number or name; 0 is none."""

    starts: bool
    ends: bool
    sequence_id: int | str = 0


WHOLE = Position(starts=True, ends=True)


@dataclass(frozen=True, kw_only=True, slots=True)
class Beside:
    """By name: `inputs` […] for all frames, `frame_inputs` [T, …] for every one; and what control inputs are told."""

    inputs: Arrays = field(default_factory=nothing)
    frame_inputs: Arrays = field(default_factory=nothing)
    position: Position = WHOLE

    def part(self, first: int, end: int, frames: int) -> Beside:
        """Give what belongs to frames `first` … `end` - 1 of `frames`."""
        if self is ALONE:
            return self
        starts, ends = self.position.starts and not first, self.position.ends and end >= frames
        return Beside(
            inputs=self.inputs,
            frame_inputs={name: array[first:end] for name, array in self.frame_inputs.items()},
            position=replace(self.position, starts=starts, ends=ends),
        )


# Frames and nothing else, of a model that isn't told where it is.
ALONE = Beside()
