"""The runner of rows of different length: they are padded into one batch, and their results split again.

Shapes: B rows of a batch, T frames, C features of a frame, K outputs a frame. States keep a batch axis of 1.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from service.engine.row import NO_ARRAYS, Row, RowResult, RunSeconds, joined
from service.engine.runtime_errors import translated

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from service.engine.graph import Graph
    from service.engine.row import Arrays, States

__all__ = ["Row", "RowResult", "RunSeconds", "Runner"]


class Runner:
    """The runner of one graph. May run on several threads at once."""

    def __init__(self, graph: Graph, *, third_party: bool = False) -> None:
        """Create the runner of a graph.

        Args:
            graph: runs the rows.
            third_party: whether the graph itself may refuse frames.

        """
        self.graph = graph
        self._third_party = third_party
        self._frames_per_run = graph.signature.frames_per_run
        self._outputs = graph.signature.outputs.name
        self._zero = graph.zero_states(1)
        for state in self._zero.values():
            state.setflags(write=False)
        self.state_bytes = sum(int(state.nbytes) for state in self._zero.values())

    def initial_states(self) -> States:
        """Return the states before the first frame: zeros, or those of the signature."""
        return dict(self._zero)

    def run_rows(self, rows: Sequence[Row]) -> list[RowResult]:
        """Answer rows in one run, in order. Without a length input all rows must have one length.

        On a graph with a fixed window, a row takes several runs. All rows with a t-th run share it, or each row runs
        alone if the graph takes no batches.

        Raises:
            ServiceError: GRAPH_REFUSED, by a third-party graph, or because of states that a caller sent.

        """
        try:
            if self._frames_per_run:
                return self._fixed_windows(rows)
            return self._together(rows)
        except Exception:  # ONNX Runtime has many error classes, which share no base
            with translated(rows[0].frames.shape, third_party=self._third_party):
                raise

    def _fixed_windows(self, rows: Sequence[Row]) -> list[RowResult]:
        if len(rows) > 1 and not self.graph.takes_batches:
            return [result for row in rows for result in self._fixed_windows([row])]
        states = [row.states for row in rows]
        results: list[list[RowResult]] = [[] for _ in rows]
        took = RunSeconds()
        for first in range(0, max(len(row.frames) for row in rows), self._frames_per_run):
            going = [index for index, row in enumerate(rows) if first < len(row.frames)]
            parts = [rows[index].part(first, self._frames_per_run, states[index]) for index in going]
            for index, result in zip(going, self._together(parts), strict=True):
                results[index].append(result)
                states[index] = result.states
            took += results[going[0]][-1].run
        return [replace(joined(parts), run=took) for parts in results]

    def _together(self, rows: Sequence[Row]) -> list[RowResult]:
        return [self._alone(rows[0])] if len(rows) == 1 else self._batch(rows)

    def _alone(self, row: Row) -> RowResult:
        began = time.perf_counter()
        outputs, states, extra = self._evaluate(row.frames[None], [len(row.frames)], row.states, [row])
        run = RunSeconds(graph=time.perf_counter() - began)
        first = {name: array[0] for name, array in extra.items()} if extra else NO_ARRAYS
        return RowResult(outputs=outputs[0], states=states, run=run, extra=first)

    def _batch(self, rows: Sequence[Row]) -> list[RowResult]:
        began = time.perf_counter()
        lengths = [len(row.frames) for row in rows]
        frames = rows[0].frames
        padded = np.zeros((len(rows), max(lengths), *frames.shape[1:]), frames.dtype)
        for index, row in enumerate(rows):
            padded[index, : lengths[index]] = row.frames
        before = {name: np.concatenate([row.states[name] for row in rows]) for name in self._zero}
        gathered = time.perf_counter()
        outputs, states, extra = self._evaluate(padded, lengths, before, rows)
        if outputs.shape[1] != padded.shape[1] and not self._frames_per_run:
            # There isn't one output per frame, so the rows can't be split. The batcher runs each row alone.
            raise ValueError(f"{outputs.shape[1]} outputs for {padded.shape[1]} frames")
        ran = time.perf_counter()
        # Copies, since a view would keep the whole batch in memory as long as one of its sequences.
        parts = [
            (
                outputs[index, :length].copy(),
                {name: state[index : index + 1].copy() for name, state in states.items()},
                {name: array[index, :length].copy() for name, array in extra.items()} if extra else NO_ARRAYS,
            )
            for index, length in enumerate(lengths)
        ]
        run = RunSeconds(gather=gathered - began, graph=ran - gathered, scatter=time.perf_counter() - ran)
        return [RowResult(outputs=outputs, states=states, run=run, extra=extra) for outputs, states, extra in parts]

    def _evaluate(
        self, frames: NDArray[Any], lengths: Sequence[int], states: States, rows: Sequence[Row]
    ) -> tuple[NDArray[Any], States, Arrays]:
        graph = self.graph
        auxiliary = graph.auxiliary_feed.of(rows, frames.shape[1]) if graph.auxiliary_feed is not None else None
        results = graph.evaluate(frames, lengths, states, auxiliary)
        extra = {name: results[name] for name in graph.extra_outputs} if graph.extra_outputs else NO_ARRAYS
        return results[self._outputs], graph.following(results), extra
