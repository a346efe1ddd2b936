"""The trial of a case: its run, compared with the reference, the same sequence alone and whole.

Shapes: B rows, T frames, P padded frames, K outputs a frame.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from service.certificate.difference import Difference, difference, worst
from service.certificate.neighbours import states_before
from service.certificate.sequence_generator import SequenceGenerator, misaligned

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from service.certificate.cases import Case
    from service.engine.graph import Graph

_MOST_FRAMES_BEFORE = 8


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run of the graph: `results` by tensor; the row under test has `valid` of `frames` frames, from `first` on."""

    rows: int
    row: int
    frames: int
    first: int
    valid: int
    results: dict[str, NDArray[Any]]


def try_case(graph: Graph, generator: SequenceGenerator, case: Case) -> Difference | None:
    """Return the largest difference of any output or state; None if all bits are equal."""
    reference, *varied = runs(graph, generator, case)
    name, last = graph.signature.outputs.name, varied[-1]
    outputs = np.concatenate([run.results[name][run.row, : run.valid] for run in varied])
    differences = [difference(name, reference.results[name][0], outputs)]
    for extra in graph.extra_outputs:
        given = np.concatenate([run.results[extra][run.row, : run.valid] for run in varied])
        differences.append(difference(extra, reference.results[extra][0], given))
    expected, found = graph.following(reference.results), graph.following(last.results)
    differences += [difference(state, expected[state], found[state][last.row : last.row + 1]) for state in expected]
    return worst(differences)


def runs(graph: Graph, generator: SequenceGenerator, case: Case) -> Iterator[Run]:
    """Yield the reference, then the run of every chunk."""
    rng = np.random.default_rng(case.seed)
    sequence = generator.sequence(rng, case.length)
    alone = graph.evaluate(sequence[None], [case.length], graph.zero_states(1))
    yield Run(rows=1, row=0, frames=case.length, first=0, valid=case.length, results=alone)
    row = int(rng.integers(case.batch_size))
    states = states_before(
        graph, generator, rng, rows=case.batch_size, scale=case.neighbour_scale, most_frames=_MOST_FRAMES_BEFORE
    )
    for name, zero in graph.zero_states(1).items():
        states[name][row] = zero[0]
    first = 0
    for chunk in case.chunks:
        frames, lengths = batch_of(generator, case, rng, sequence[first : first + chunk], row)
        fed = {name: misaligned(state) for name, state in states.items()} if case.misaligned else states
        results = graph.evaluate(misaligned(frames) if case.misaligned else frames, lengths, fed)
        yield Run(rows=case.batch_size, row=row, frames=frames.shape[1], first=first, valid=chunk, results=results)
        states = graph.following(results)
        first += chunk


def batch_of(
    generator: SequenceGenerator, case: Case, rng: np.random.Generator, chunk: NDArray[Any], row: int
) -> tuple[NDArray[Any], list[int]]:
    """Return a batch [B, P, …] with a chunk [T, …] at `row`, neighbours and padding, and the lengths of its rows."""
    padded = len(chunk) + case.padding_frames
    frames = generator.rows(rng, case.batch_size, padded, case.neighbour_scale)
    lengths = [padded] * case.batch_size
    if case.padding_frames:
        lengths = [int(length) for length in rng.integers(1, padded + 1, size=case.batch_size)]
        filled = generator.padding(rng, (case.batch_size, padded), case.padding)
        for index, length in enumerate(lengths):
            frames[index, length:] = filled[index, length:]
        frames[row, len(chunk) :] = filled[row, len(chunk) :]
    frames[row, : len(chunk)] = chunk
    lengths[row] = len(chunk)
    return frames, lengths
