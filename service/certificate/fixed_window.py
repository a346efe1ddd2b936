"""The trial of a case on a graph with a fixed window: run by run, as the server does; rows leave when they end.

Shapes: T frames, K outputs a frame.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from service.certificate.difference import Difference, difference, worst
from service.certificate.neighbours import Neighbours
from service.certificate.sequence_generator import misaligned
from service.engine.row import Row, joined

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from service.certificate.cases import Case
    from service.certificate.sequence_generator import SequenceGenerator
    from service.engine.row import RowResult
    from service.engine.runner import Runner

_MOST_RUNS_BEFORE = 3


def try_fixed_windows(runner: Runner, generator: SequenceGenerator, case: Case) -> Difference | None:
    """Return the largest difference of any output or state from "alone and whole"; None if all bits are equal.

    A case whose chunks aren't whole runs can't be run, and has no difference.
    """
    unit = runner.graph.signature.frames_per_run
    if any(frames % unit for frames in case.chunks):
        return None
    rng = np.random.default_rng(case.seed)
    sequence = generator.sequence(rng, case.length)
    (alone,) = runner.run_rows([Row(frames=sequence, states=runner.initial_states())])
    neighbours = Neighbours(runner=runner, generator=generator, rng=rng, most_runs_before=_MOST_RUNS_BEFORE)
    found = _in_chunks(runner, neighbours, sequence, case)
    signature = runner.graph.signature
    pairs = [(signature.outputs.name, alone.outputs, found.outputs)]
    pairs += [(name, alone.extra[name], found.extra[name]) for name in alone.extra]
    pairs += [(name, state, found.states[name]) for name, state in alone.states.items()]
    return worst(difference(name, expected, given) for name, expected, given in pairs)


def _in_chunks(runner: Runner, neighbours: Neighbours, sequence: NDArray[Any], case: Case) -> RowResult:
    results: list[RowResult] = []
    states = runner.initial_states()
    first = 0
    for frames in case.chunks:
        chunk = sequence[first : first + frames]
        rows = _neighbour_rows(frames, neighbours, case)
        row = len(rows) // 2
        rows.insert(row, Row(frames=misaligned(chunk) if case.misaligned else chunk, states=states))
        results.append(runner.run_rows(rows)[row])
        states = results[-1].states
        first += frames
    return joined(results)


def _neighbour_rows(frames: int, neighbours: Neighbours, case: Case) -> list[Row]:
    """Return the neighbours in the runs of `frames` frames: some end sooner and some later."""
    unit = neighbours.generator.frames_per_run
    longest = 2 * frames // unit
    return [
        neighbours.row(unit * int(neighbours.rng.integers(1, longest + 1)), case.neighbour_scale)
        for _ in range(case.batch_size - 1)
    ]
