"""What the table measures beside the manifest: latency side by side, and what loud neighbours do to an answer.

Shapes: B rows, T frames, K classes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from export.quantise.scope import Array
from models.data import Split
from service.certificate.difference import max_absolute
from service.engine.graph import Graph

STEPS = 16  # single frames that are timed together
NEIGHBOUR_SCALE = 10.0
NEIGHBOURS = 7
MOST_SEQUENCES = 64  # held-out sequences asked alone and with neighbours


@dataclass(frozen=True, kw_only=True)
class Latency:
    """Medians, in seconds: of one whole sequence, and of one frame of a stream."""

    sequence: float
    step: float


@dataclass(frozen=True, kw_only=True)
class Drift:
    """What a batch of eight does: the largest difference of an output, and answers with another top class."""

    largest: float
    flipped: int
    asked: int


def latencies(graphs: Sequence[Graph], split: Split, *, rounds: int) -> list[Latency]:
    """Time graphs of one signature turn by turn on the same sequence, the one of median length of a split.

    What isn't causal has no steps; its step is NaN.
    """
    frames = sorted(split.sequences, key=len)[len(split) // 2]
    whole: list[list[float]] = [[] for _ in graphs]
    steps: list[list[float]] = [[] for _ in graphs]
    for _ in range(rounds):
        for graph, of_whole, of_steps in zip(graphs, whole, steps, strict=True):
            of_whole.append(_timed(_whole, graph, frames))
            if graph.signature.states:
                of_steps.append(_timed(_stream, graph, frames) / STEPS)
    return [
        Latency(sequence=median(each), step=median(of_steps) if of_steps else float("nan"))
        for each, of_steps in zip(whole, steps, strict=True)
    ]


def _timed(run: Callable[[Graph, Array], None], graph: Graph, frames: Array) -> float:
    started = time.perf_counter()
    run(graph, frames)
    return time.perf_counter() - started


def _whole(graph: Graph, frames: Array) -> None:
    graph.run(frames[None], [len(frames)], graph.zero_states(1))


def _stream(graph: Graph, frames: Array) -> None:
    states = graph.zero_states(1)
    for index in range(STEPS):
        at = index % len(frames)
        _, states = graph.run(frames[None, at : at + 1], [1], states)


def drift(graph: Graph, split: Split) -> Drift:
    """Ask held-out sequences alone, then each with seven others of the split, ×10 where frames are numbers."""
    rng = np.random.default_rng(0)
    asked = min(MOST_SEQUENCES, len(split))
    largest, flipped = 0.0, 0
    for frames in split.sequences[:asked]:
        alone, _ = graph.run(frames[None], [len(frames)], graph.zero_states(1))
        batch, lengths = _batch(frames, [split.sequences[i] for i in rng.choice(len(split), NEIGHBOURS, replace=False)])
        batched, _ = graph.run(batch, lengths, graph.zero_states(1 + NEIGHBOURS))
        largest = max(largest, max_absolute(alone[0], batched[0, : len(frames)]))
        flipped += int(alone[0, -1].argmax() != batched[0, len(frames) - 1].argmax())
    return Drift(largest=largest, flipped=flipped, asked=asked)


def _batch(frames: Array, neighbours: list[Array]) -> tuple[Array, list[int]]:
    scale = NEIGHBOUR_SCALE if frames.dtype.kind == "f" else 1
    rows = [frames, *((scale * neighbour).astype(frames.dtype) for neighbour in neighbours)]
    lengths = [len(row) for row in rows]
    batch = np.zeros((len(rows), max(lengths), *frames.shape[1:]), frames.dtype)
    for row, filled in zip(rows, batch, strict=True):
        filled[: len(row)] = row
    return batch, lengths
