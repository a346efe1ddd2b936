"""The rows of a run: one sequence's frames with auxiliary inputs and position, and the result for it.

Shapes: T frames, C features of a frame, K outputs a frame. States keep a batch axis of 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# By name of the tensor, and by name of the state.
Arrays = Mapping[str, "NDArray[Any]"]
States = dict[str, Any]

NO_ARRAYS: Arrays = MappingProxyType({})


def no_arrays() -> Arrays:
    """Return NO_ARRAYS. It is the factory of a field's default, since a mapping has no hash."""
    return NO_ARRAYS


@dataclass(frozen=True, kw_only=True, slots=True)
class Position:
    """Whether a row begins its sequence, whether it is known to end it, and the sequence's id; 0 is none."""

    starts: bool
    ends: bool
    sequence_id: int | str = 0


WHOLE = Position(starts=True, ends=True)


@dataclass(frozen=True, kw_only=True, slots=True)
class AuxiliaryInputs:
    """By name: `inputs` […] for all frames, `frame_inputs` [T, …] for each frame. Control inputs follow `position`."""

    inputs: Arrays = field(default_factory=no_arrays)
    frame_inputs: Arrays = field(default_factory=no_arrays)
    position: Position = WHOLE

    def part(self, first: int, end: int, frames: int) -> AuxiliaryInputs:
        """Return the inputs for frames `first` … `end` - 1 of `frames`."""
        if self is NO_AUXILIARY_INPUTS:
            return self
        starts, ends = self.position.starts and not first, self.position.ends and end >= frames
        return AuxiliaryInputs(
            inputs=self.inputs,
            frame_inputs={name: array[first:end] for name, array in self.frame_inputs.items()},
            position=replace(self.position, starts=starts, ends=ends),
        )


# For a row of frames alone, and a model without control inputs.
NO_AUXILIARY_INPUTS = AuxiliaryInputs()


@dataclass(kw_only=True, slots=True)  # not frozen, since one is made for every request
class Row:
    """Frames [T, C] or [T] of one sequence, T ≥ 1, the states before them, and their auxiliary inputs.

    `joined_frames` is the length of the first of several chunks that were joined, 0 if they weren't.
    """

    frames: NDArray[Any]
    states: States
    auxiliary: AuxiliaryInputs = NO_AUXILIARY_INPUTS
    joined_frames: int = 0

    def part(self, first: int, frames: int, states: States) -> Row:
        """Return `frames` frames from `first` on, after other states."""
        end = first + frames
        if not first and end >= len(self.frames) and states is self.states:
            return self
        auxiliary = self.auxiliary.part(first, end, len(self.frames))
        return Row(frames=self.frames[first:end], states=states, auxiliary=auxiliary)


@dataclass(kw_only=True, slots=True, eq=False)  # not frozen, since one is made for every run
class RunSeconds:
    """The time of runs by phase: joining the rows, running the graph, splitting the answers."""

    gather: float = 0.0
    graph: float = 0.0
    scatter: float = 0.0

    def __add__(self, other: RunSeconds) -> RunSeconds:
        return RunSeconds(
            gather=self.gather + other.gather, graph=self.graph + other.graph, scatter=self.scatter + other.scatter
        )


NO_TIME = RunSeconds()


@dataclass(kw_only=True, slots=True)  # not frozen, since one is made for every request
class RowResult:
    """Outputs [T, K] for every frame of a row, the states after its last frame, and the time of the whole run.

    A third-party model may have fewer or more outputs than there are frames. `extra` are its extra outputs.
    """

    outputs: NDArray[Any]
    states: States
    run: RunSeconds = NO_TIME
    extra: Arrays = field(default_factory=no_arrays)


def joined(results: Sequence[RowResult]) -> RowResult:
    """Join the results of consecutive runs: outputs along time, and the states after the last."""
    if len(results) == 1:
        return results[0]
    return RowResult(
        outputs=np.concatenate([result.outputs for result in results]),
        states=results[-1].states,
        run=sum((result.run for result in results), NO_TIME),
        extra={name: np.concatenate([result.extra[name] for result in results]) for name in results[0].extra},
    )
