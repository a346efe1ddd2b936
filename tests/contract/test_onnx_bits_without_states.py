"""What is left of the promise for models that see the future, which don't stream; and what a control loses."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from service.engine.graph import Graph
from tests.contract.zoo_graphs import (
    FILLERS,
    LENGTHS,
    NORMS,
    alone,
    assert_neighbours_do_not_matter,
    assert_same_bits,
    exported,
    numbers,
    together,
)

ENCODERS = [*itertools.product(["encoder"], [*NORMS, "batch_ffn"]), ("encoder-groups", "group_step")]
# They see the future, but keep bits otherwise.
OVER_TIME = [*itertools.product(["lstm-input-groups", "tcn-groups", "transformer-groups"], ["instance", "group"])]
CURRENT = [*itertools.product(["lstm-recurrent", "lstm-input", "tcn", "transformer-pre"], ["batch_current"])]


@pytest.fixture(params=[*ENCODERS, *OVER_TIME], ids="-".join)
def graph(request: pytest.FixtureRequest) -> Graph:
    return exported(*request.param)


@pytest.mark.parametrize("frames", LENGTHS)
def test_neighbours_do_not_matter(graph: Graph, frames: int) -> None:
    assert_neighbours_do_not_matter(graph, frames)


@pytest.mark.parametrize("filler", FILLERS)
@pytest.mark.parametrize(("name", "norm"), [*ENCODERS, *OVER_TIME])
def test_padding_reaches_no_valid_frame_where_all_are_seen(name: str, norm: str, filler: float) -> None:
    graph = exported(name, norm)
    for frames in LENGTHS:
        sequence = numbers(frames)
        whole = alone(graph, sequence)
        for padding in (1, 2, 3, 4, 9):
            assert_same_bits(whole, together(graph, [sequence], {}, padding, filler)[0])


@pytest.mark.parametrize(("name", "norm"), OVER_TIME)
def test_moments_over_time_see_the_future(name: str, norm: str) -> None:
    graph = exported(name, norm)
    assert not graph.signature.states
    sequence = numbers(31)
    difference = np.abs(alone(graph, sequence)[0][:16] - alone(graph, sequence[:16])[0]).max()
    assert difference > 1e-2


@pytest.mark.parametrize(("name", "norm"), CURRENT)
def test_statistics_of_the_batch_at_hand_depend_on_it(name: str, norm: str) -> None:
    graph = exported(name, norm)
    assert not graph.signature.states
    sequence = numbers(31)
    whole = alone(graph, sequence)[0]
    beside = together(graph, [sequence, *(numbers(31, seed, 100.0) for seed in (1, 2, 3))], {}, 0, 0.0)[0][0]
    assert np.abs(beside - whole).max() > 1e-2
    padded = together(graph, [sequence], {}, 7, np.nan)[0][0]
    np.testing.assert_allclose(padded, whole, atol=1e-4)


def test_one_frame_alone_is_lost_to_statistics_of_the_batch_at_hand() -> None:
    graph = exported("lstm-recurrent", "batch_current")
    first, second = (alone(graph, numbers(1, seed, 100.0))[0] for seed in (1, 2))
    assert first.tobytes() == second.tobytes()
