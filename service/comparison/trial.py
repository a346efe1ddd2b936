"""The trial of one sequence on one graph under one condition: batch, padding or chunks are made only here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from service.certificate.neighbours import scaled
from service.comparison.conditions import BatchNeighbours, Chunked, Condition, Padded

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from service.engine.graph import Graph


class Stopped(Exception):  # noqa: N818  # not an error: nobody waits for the answer
    """The caller has gone, or has run out of time."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A sample [T, C] or [T] and its neighbours; `is_over` is called between runs, not on the caller's thread."""

    sample: NDArray[Any]
    neighbours: Sequence[NDArray[Any]]
    is_over: Callable[[], bool]

    def why_not(self, graph: Graph, condition: Condition) -> str:
        """Return in words why a graph can't be run under a condition; empty if it can."""
        match condition:
            case BatchNeighbours(count=count):
                ragged = any(len(neighbour) != len(self.sample) for neighbour in self.neighbours[:count])
                return "it takes no lengths, so all rows have to be equally long" if self._lost(graph, ragged) else ""
            case Padded(frames=frames):
                padded = frames > len(self.sample)
                return "it takes no lengths, so it reads padding as frames" if self._lost(graph, padded) else ""
            case Chunked(frames=frames):
                cut = frames < len(self.sample) and not graph.signature.states
                return "it carries nothing from chunk to chunk" if cut else ""

    def alone(self, graph: Graph) -> NDArray[Any]:
        """Run the reference, a batch of one, unpadded and whole, and return its outputs [T, K]."""
        return self._batch(graph, [self.sample], row=0, padded=len(self.sample))

    def run(self, graph: Graph, condition: Condition) -> NDArray[Any]:
        """Run the sample under one condition, and return its outputs [T, K].

        Raises:
            Stopped: `is_over` returned True.

        """
        match condition:
            case BatchNeighbours(count=count, scale=scale):
                rows = [scaled(neighbour, scale) for neighbour in self.neighbours[:count]]
                rows.insert(count // 2, self.sample)
                return self._batch(graph, rows, row=count // 2, padded=max(map(len, rows)))
            case Padded(frames=frames):
                return self._batch(graph, [self.sample], row=0, padded=frames)
            case Chunked(frames=frames):
                return self._chunks(graph, frames)

    def _batch(self, graph: Graph, rows: Sequence[NDArray[Any]], *, row: int, padded: int) -> NDArray[Any]:
        if self.is_over():
            raise Stopped
        frames_BPC = np.zeros((len(rows), padded, *self.sample.shape[1:]), self.sample.dtype)
        for index, frames in enumerate(rows):
            frames_BPC[index, : len(frames)] = frames
        outputs_BPK, _ = graph.run(frames_BPC, [len(frames) for frames in rows], graph.zero_states(len(rows)))
        found_TK: NDArray[Any] = outputs_BPK[row, : len(self.sample)].copy()
        return found_TK

    def _chunks(self, graph: Graph, frames: int) -> NDArray[Any]:
        states, outputs = graph.zero_states(1), []
        for first in range(0, len(self.sample), frames):
            if self.is_over():
                raise Stopped
            chunk = self.sample[None, first : first + frames]
            found_1TK, states = graph.run(chunk, [chunk.shape[1]], states)
            outputs.append(found_1TK[0])
        return np.concatenate(outputs)

    @staticmethod
    def _lost(graph: Graph, needs_length: bool) -> bool:
        return needs_length and not graph.takes_length
