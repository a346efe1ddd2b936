"""Rows of different length share a run: padded into one batch, and their answers taken apart again.

Shapes: B rows of a batch, T frames, C features of a frame, K outputs a frame. States keep a batch axis of 1.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from service.engine.graph import Graph, States


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """Frames [T, C] or [T] of one sequence, T ≥ 1, and the states that came before them."""

    frames: NDArray[Any]
    states: States


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
    """Outputs [T, K] for every frame of a row, the states behind its last frame, and what the whole run took."""

    outputs: NDArray[Any]
    states: States
    run: RunSeconds = RunSeconds()


class Runner:
    """Runs rows on one graph. May run on several threads at once."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._zero = graph.zero_states(1)
        for state in self._zero.values():
            state.setflags(write=False)
        self.state_bytes = sum(int(state.nbytes) for state in self._zero.values())

    def initial_states(self) -> States:
        """Zeros: nothing came before."""
        return dict(self._zero)

    def run(self, rows: Sequence[Row]) -> list[RowResult]:
        """Answer rows in one run, in the order given. Without a length input all rows have to be of one length."""
        began = time.perf_counter()
        if len(rows) == 1:
            row = rows[0]
            outputs, states = self.graph.run(row.frames[None], [len(row.frames)], row.states)
            run = RunSeconds(graph=time.perf_counter() - began)
            return [RowResult(outputs=outputs[0], states=states, run=run)]
        lengths = [len(row.frames) for row in rows]
        frames = rows[0].frames
        padded = np.zeros((len(rows), max(lengths), *frames.shape[1:]), frames.dtype)
        for index, row in enumerate(rows):
            padded[index, : lengths[index]] = row.frames
        before = {name: np.concatenate([row.states[name] for row in rows]) for name in self._zero}
        gathered = time.perf_counter()
        outputs, states = self.graph.run(padded, lengths, before)
        ran = time.perf_counter()
        # Copies: a view would keep the whole batch in memory as long as one of its sequences lasts.
        parts = [
            (
                outputs[index, :length].copy(),
                {name: state[index : index + 1].copy() for name, state in states.items()},
            )
            for index, length in enumerate(lengths)
        ]
        run = RunSeconds(gather=gathered - began, graph=ran - gathered, scatter=time.perf_counter() - ran)
        return [RowResult(outputs=outputs, states=states, run=run) for outputs, states in parts]
