"""The neighbours: sequences that share a run with the one under test, for a case, a replay or a comparison.

Shapes: B rows, T frames, C features of a frame.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from service.engine.row import Row

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from service.certificate.sequence_generator import SequenceGenerator
    from service.engine.graph import Graph
    from service.engine.row import States
    from service.engine.runner import Runner

# A seed must not be negative.
_SEED_MASK = 2**64 - 1


@dataclass(frozen=True, kw_only=True)
class Neighbours:
    """The generator of neighbours in the middle of their sequences, with up to `most_runs_before` runs before.

    Such a run has the frames of the graph's fixed window, or one frame without such a window.
    """

    runner: Runner
    generator: SequenceGenerator
    rng: np.random.Generator
    most_runs_before: int

    def row(self, frames: int, scale: float) -> Row:
        """Return a neighbour of `frames` frames, whose numbers are `scale` times ordinary ones."""
        states = self.runner.initial_states()
        runs_before = int(self.rng.integers(self.most_runs_before + 1)) if states else 0
        if runs_before:
            frames_per_run = self.generator.frames_per_run or 1
            before = Row(frames=self._frames(runs_before * frames_per_run, scale), states=states)
            states = self.runner.run_rows([before])[0].states
        return Row(frames=self._frames(frames, scale), states=states)

    def _frames(self, frames: int, scale: float) -> NDArray[Any]:
        drawn: NDArray[Any] = self.generator.rows(self.rng, 1, frames, scale)[0]
        return drawn


def states_before(
    graph: Graph, generator: SequenceGenerator, rng: np.random.Generator, *, rows: int, scale: float, most_frames: int
) -> States:
    """Return states [B, …] of rows at one common position: up to `most_frames` frames came before."""
    states = graph.zero_states(rows)
    frames_before = int(rng.integers(most_frames + 1))
    if rows == 1 or not states or not frames_before:
        return states
    frames = generator.rows(rng, rows, frames_before, scale)
    _, behind = graph.run(frames, [frames_before] * rows, states)
    return {name: state.copy() for name, state in behind.items()}


def drawn_like(sample: NDArray[Any], count: int, seed: int) -> list[NDArray[Any]]:
    """Return neighbours as long as a sample [T, C] or [T]. The first n are the same whatever `count` is.

    Numbers are normal with the sample's own mean and standard deviation of each feature, or a deviation of 1 if it does
    not vary. Whole numbers are the sample's own frames, drawn with replacement.
    """
    rng = np.random.default_rng(seed & _SEED_MASK)
    if sample.dtype.kind != "f":
        return [sample[rng.integers(len(sample), size=len(sample))] for _ in range(count)]
    x = sample.astype(np.float64)
    mean, deviation = x.mean(axis=0), x.std(axis=0)
    deviation = np.where(deviation > 0, deviation, 1.0)
    return [_narrowed(mean + deviation * rng.standard_normal(x.shape), sample.dtype) for _ in range(count)]


def scaled(neighbour: NDArray[Any], scale: float) -> NDArray[Any]:
    """Return a neighbour with scaled values, which stay finite. At scale 1 it is unchanged, so tokens are kept."""
    return neighbour if scale == 1 else _narrowed(neighbour.astype(np.float64) * scale, neighbour.dtype)


def _narrowed(x: NDArray[np.float64], dtype: np.dtype[Any]) -> NDArray[Any]:
    largest = float(np.finfo(dtype).max)
    return np.clip(x, -largest, largest).astype(dtype)
