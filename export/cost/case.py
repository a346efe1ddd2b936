"""What is run on a graph to time it: whole sequences alone, ragged batches, single steps of streams.

Shapes: B rows, T frames.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.cost.stopwatch import Call
from models.config import TaskSpec
from service.engine.graph import Graph

SHORTEST, LONGEST = 8, 64  # of ragged sequences, in frames
_BEFORE = 80  # frames that a stream has behind it: more than the Transformer's window


@dataclass(frozen=True, kw_only=True)
class Case:
    """`rows` sequences in one run: of `frames` frames each, or ragged when it is 0; a step of a stream has one."""

    name: str
    rows: int
    frames: int = 0

    @property
    def is_step(self) -> bool:
        """Return whether streams go on, rather than begin."""
        return self.frames == 1


CASES = (
    Case(name="whole, 16 frames", rows=1, frames=16),
    Case(name="whole, 64 frames", rows=1, frames=64),
    Case(name="8 ragged", rows=8),
    Case(name="32 ragged", rows=32),
    Case(name="step of 1 stream", rows=1, frames=1),
    Case(name="step of 8 streams", rows=8, frames=1),
    Case(name="step of 32 streams", rows=32, frames=1),
)


def make_call(case: Case, graph: Graph, task: TaskSpec, *, seed: int) -> Call:
    """Prepare a run, so that nothing but the graph is timed."""
    rng = np.random.default_rng(seed)
    lengths = [case.frames] * case.rows if case.frames else ragged_lengths(case.rows, rng)
    before = draw_frames(task, (case.rows, _BEFORE), rng)
    frames = draw_frames(task, (case.rows, max(lengths)), rng)
    states = graph.zero_states(case.rows)
    if case.is_step:
        _, states = graph.run(before, [_BEFORE] * case.rows, states)
    return lambda: graph.run(frames, lengths, states)


def ragged_lengths(rows: int, rng: np.random.Generator) -> list[int]:
    """Draw lengths, each as likely as the other."""
    return [int(length) for length in rng.integers(SHORTEST, LONGEST + 1, rows)]


def draw_frames(task: TaskSpec, shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[Any]:
    """Draw frames [*shape, C], or tokens [*shape]."""
    if task.frames == "tokens":
        return rng.integers(0, task.token_count, shape)
    return rng.normal(size=(*shape, task.feature_count)).astype(np.float32)
