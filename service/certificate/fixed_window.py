"""Runs a case on a graph that takes so many frames a run, as the server does: run by run, and rows leave as they end.

Shapes: T frames, K outputs a frame.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from service.certificate.difference import Difference, difference, worst
from service.certificate.sequence_generator import misaligned
from service.engine.row import Row, joined

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from service.certificate.cases import Case
    from service.certificate.sequence_generator import SequenceGenerator
    from service.engine.row import RowResult
    from service.engine.runner import Runner

_MAX_NEIGHBOUR_PREFIX_RUNS = 4


def try_fixed_windows(runner: Runner, generator: SequenceGenerator, case: Case) -> Difference | None:
    """Return the largest difference of any output or state from "alone and whole"; None when all bits are equal.

    A case whose chunks aren't whole runs can't be run, and differs in nothing.
    """
    unit = runner.graph.signature.frames_per_run
    if any(frames % unit for frames in case.chunks):
        return None
    rng = np.random.default_rng(case.seed)
    sequence = generator.sequence(rng, case.length)
    (alone,) = runner.run([Row(frames=sequence, states=runner.initial_states())])
    neighbours = Neighbours(runner, generator, rng, case)
    found = _in_chunks(runner, neighbours, sequence, case)
    signature = runner.graph.signature
    pairs = [(signature.outputs.name, alone.outputs, found.outputs)]
    pairs += [(name, alone.more[name], found.more[name]) for name in alone.more]
    pairs += [(name, state, found.states[name]) for name, state in alone.states.items()]
    return worst(difference(name, expected, given) for name, expected, given in pairs)


class Neighbours:
    """Draws those who share the runs of one case: anywhere in their sequences, some end sooner and some later."""

    def __init__(self, runner: Runner, generator: SequenceGenerator, rng: np.random.Generator, case: Case) -> None:
        self._runner, self._material, self._rng, self._case = runner, generator, rng, case
        self._unit = runner.graph.signature.frames_per_run

    def beside(self, frames: int) -> list[Row]:
        """Give those that share the runs of so many frames."""
        longest = 2 * frames // self._unit
        return [self._one(int(self._rng.integers(1, longest + 1))) for _ in range(self._case.batch_size - 1)]

    def _one(self, runs: int) -> Row:
        states = self._runner.initial_states()
        prefix = int(self._rng.integers(_MAX_NEIGHBOUR_PREFIX_RUNS)) if states else 0
        if prefix:
            states = self._runner.run([Row(frames=self._frames(prefix), states=states)])[0].states
        return Row(frames=self._frames(runs), states=states)

    def _frames(self, runs: int) -> NDArray[Any]:
        drawn: NDArray[Any] = self._material.rows(self._rng, 1, runs * self._unit, self._case.neighbour_scale)[0]
        return drawn


def _in_chunks(runner: Runner, neighbours: Neighbours, sequence: NDArray[Any], case: Case) -> RowResult:
    results: list[RowResult] = []
    states = runner.initial_states()
    first = 0
    for frames in case.chunks:
        chunk = sequence[first : first + frames]
        rows = neighbours.beside(frames)
        row = len(rows) // 2
        rows.insert(row, Row(frames=misaligned(chunk) if case.misaligned else chunk, states=states))
        results.append(runner.run(rows)[row])
        states = results[-1].states
        first += frames
    return joined(results)
