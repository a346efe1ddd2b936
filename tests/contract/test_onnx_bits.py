"""The promise, on exported graphs in ONNX Graph, to the bit: whole = chunks = batched = padded = alone."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from service.engine.graph import Graph
from tests.contract.zoo_graphs import (
    CAUSAL,
    FILLERS,
    GROUPED,
    LENGTHS,
    NORMS,
    TOKENS,
    Array,
    alone,
    assert_neighbours_do_not_matter,
    assert_same_bits,
    cuts,
    exported,
    numbers,
    streamed,
    together,
)

CASES = [
    *itertools.product(CAUSAL, NORMS),
    *itertools.product(GROUPED, ["group_step"]),
    *itertools.product(["lstm-recurrent", "tcn"], ["batch_naive"]),
    *itertools.product(["lstm-recurrent", "lstm-input"], ["batch_step"]),
    *itertools.product(["transformer-pre", "transformer-post"], ["batch_ffn"]),
]


@pytest.fixture(params=CASES, ids="-".join)
def graph(request: pytest.FixtureRequest) -> Graph:
    return exported(*request.param)


@pytest.mark.parametrize("frames", LENGTHS)
def test_chunks_are_the_whole(graph: Graph, frames: int) -> None:
    sequence = numbers(frames)
    whole = alone(graph, sequence)
    for chunks in cuts(frames):
        assert_same_bits(whole, streamed(graph, sequence, chunks))


@pytest.mark.parametrize("frames", LENGTHS)
def test_neighbours_do_not_matter(graph: Graph, frames: int) -> None:
    assert_neighbours_do_not_matter(graph, frames)


@pytest.mark.parametrize("filler", FILLERS)
@pytest.mark.parametrize("frames", LENGTHS)
def test_padding_does_not_matter(graph: Graph, frames: int, filler: float) -> None:
    sequence = numbers(frames)
    whole = alone(graph, sequence)
    for padding in (1, 2, 3, 4, 9):
        assert_same_bits(whole, together(graph, [sequence], graph.zero_states(1), padding, filler)[0])


def test_streams_at_different_positions_share_batches(graph: Graph) -> None:
    rng = np.random.default_rng(0)
    sequences = [
        numbers(frames, seed, scale=100.0 if seed % 2 else 1.0) for seed, frames in enumerate((43, 31, 20, 3, 1))
    ]
    left = list(sequences)
    rows = [{name: state[0] for name, state in graph.zero_states(1).items()} for _ in sequences]
    outputs: list[list[Array]] = [[] for _ in sequences]
    while live := [i for i, frames in enumerate(left) if len(frames)]:
        chosen = rng.permutation(live)[: rng.integers(1, len(live) + 1)]
        chunks = [left[i][: rng.integers(1, 9)] for i in chosen]
        states = {name: np.stack([rows[i][name] for i in chosen]) for name in rows[0]}
        found = together(graph, chunks, states, int(rng.integers(3)), np.nan)
        for i, chunk, (output, following) in zip(chosen, chunks, found, strict=True):
            left[i], rows[i] = left[i][len(chunk) :], following
            outputs[i].append(output)
    for i, sequence in enumerate(sequences):
        assert_same_bits(alone(graph, sequence), (np.concatenate(outputs[i]), rows[i]))


def test_long_sequences_in_large_chunks(graph: Graph) -> None:
    sequence = numbers(701)
    whole = alone(graph, sequence)
    for chunks in ([1, 700], [350, 351], [512, 189], [699, 1, 1], [100] * 7 + [1]):
        assert_same_bits(whole, streamed(graph, sequence, chunks))


@pytest.mark.parametrize("name", ["lstm-recurrent", "tcn", "transformer-pre"])
def test_tokens(name: str) -> None:
    graph = exported(name, "layer", TOKENS)
    sequence = np.random.default_rng(0).integers(0, 11, 31)
    whole = alone(graph, sequence)
    for chunks in cuts(31):
        assert_same_bits(whole, streamed(graph, sequence, chunks))
    neighbours = [np.random.default_rng(1).integers(0, 11, 40), sequence]
    assert_same_bits(whole, together(graph, neighbours, graph.zero_states(2), 3, 5)[1])


def test_a_token_out_of_range_is_clipped_into_it() -> None:
    graph = exported("tcn", "layer", TOKENS)
    assert_same_bits(alone(graph, np.array([0, 10])), alone(graph, np.array([-7, 99])))
