"""One sequence's share of a run, and what comes back to it.

Shapes: T frames, C features of a frame, K outputs a frame. States keep a batch axis of 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from service.engine.beside import ALONE, Arrays, Beside, nothing

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from service.engine.graph import States


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """Frames [T, C] or [T] of one sequence, T ≥ 1, the states that came before them, and what comes with them."""

    frames: NDArray[Any]
    states: States
    beside: Beside = ALONE

    def part(self, first: int, frames: int, states: States) -> Row:
        """Give `frames` frames from `first` on, behind other states."""
        end = first + frames
        if not first and end >= len(self.frames) and states is self.states:
            return self
        beside = self.beside.part(first, end, len(self.frames))
        return Row(frames=self.frames[first:end], states=states, beside=beside)


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
