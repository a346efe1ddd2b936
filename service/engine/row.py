"""One sequence's share of a run, and what comes back to it.

Shapes: T frames, C features of a frame, K outputs a frame. States keep a batch axis of 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from service.engine.position import WHOLE, Position

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from service.engine.graph import States

Arrays = Mapping[str, "NDArray[Any]"]
NOTHING: Arrays = MappingProxyType({})


def nothing() -> Arrays:
    """Return NOTHING: as a default, since it has no hash."""
    return NOTHING


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """Frames [T, C] or [T] of one sequence, T ≥ 1, and the states that came before them.

    What else the model reads, by name: `inputs` […] for all of them, `frame_inputs` [T, …] for every one.
    """

    frames: NDArray[Any]
    states: States
    inputs: Arrays = field(default_factory=nothing)
    frame_inputs: Arrays = field(default_factory=nothing)
    position: Position = WHOLE

    def part(self, first: int, frames: int, states: States) -> Row:
        """Give `frames` frames from `first` on, behind other states."""
        end = first + frames
        if not first and end >= len(self.frames) and states is self.states:
            return self
        return Row(
            frames=self.frames[first:end],
            states=states,
            inputs=self.inputs,
            frame_inputs={name: array[first:end] for name, array in self.frame_inputs.items()},
            position=self.position.part(is_first=not first, is_last=end >= len(self.frames)),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class RunSeconds:
    """Where the time of runs went: putting the rows together, running the graph, taking the answers apart."""

    gather: float = 0.0
    graph: float = 0.0
    scatter: float = 0.0

    def __add__(self, other: RunSeconds) -> RunSeconds:
        return RunSeconds(
            gather=self.gather + other.gather, graph=self.graph + other.graph, scatter=self.scatter + other.scatter
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class RowResult:
    """Outputs [T, K] for every frame of a row, the states behind its last frame, and what the whole run took.

    A model made elsewhere may give fewer or more outputs than there are frames. `more` are its further outputs.
    """

    outputs: NDArray[Any]
    states: States
    run: RunSeconds = RunSeconds()
    more: Arrays = field(default_factory=nothing)


def joined(results: Sequence[RowResult]) -> RowResult:
    """Put runs that followed each other together: outputs side by side, and the states behind the last."""
    if len(results) == 1:
        return results[0]
    return RowResult(
        outputs=np.concatenate([result.outputs for result in results]),
        states=results[-1].states,
        run=sum((result.run for result in results), RunSeconds()),
        more={name: np.concatenate([result.more[name] for result in results]) for name in results[0].more},
    )
