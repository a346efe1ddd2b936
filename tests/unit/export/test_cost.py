from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from rich.progress import Progress

from export.cost.batch_cost import POLICIES, Load, first_come
from export.cost.case import CASES, draw_frames
from export.cost.forms import make_forms
from export.cost.report import tables
from export.cost.run import Plan, run
from export.cost.stopwatch import in_turns, ratio
from models.config import TaskSpec
from service.engine.graph import Graph
from service.serving.batcher.batch_selection import select_batch

NUMBERS = TaskSpec(name="vowels", frames="features", feature_count=5, labels=("a", "b", "c"))
TOKENS = TaskSpec(name="languages", frames="tokens", token_count=11, labels=("a", "b"), text_encoding="utf8")
Array = npt.NDArray[Any]
FRAMES, TOLERANCE = 90, 1e-4  # past the Transformer's window
CUTS = (1, 2, 20, 80, 81)


@pytest.mark.parametrize(
    ("architecture", "norm", "task"),
    [
        ("lstm", "batch", TOKENS),
        ("tcn", "batch", NUMBERS),
        ("transformer", "rms", NUMBERS),
    ],
)
def test_every_form_computes_the_same_function(architecture: str, norm: str, task: TaskSpec) -> None:
    forms = make_forms(task, architecture, norm)
    frames = draw_frames(task, (2, FRAMES), np.random.default_rng(0))
    expected, _ = forms.strict.run(frames, [FRAMES, FRAMES], forms.strict.zero_states(2))
    assert np.ptp(expected) > 100 * TOLERANCE
    for graph in (forms.naive, forms.unfolded):
        if graph is not None:
            np.testing.assert_allclose(whole(graph, frames), expected, rtol=0, atol=TOLERANCE)
            np.testing.assert_allclose(streamed(graph, frames), expected, rtol=0, atol=TOLERANCE)
    assert (forms.unfolded is not None) == (norm == "batch")
    assert not forms.naive.takes_length


def test_a_run_measures_every_row_and_says_it() -> None:
    loads = (Load(sequences=4, clients=2), Load(sequences=4, clients=4))
    plan = Plan(architectures=("tcn",), norms=("none", "batch"), rounds=1, repeats=1, loads=loads)
    with Progress(disable=True) as progress:
        result = run(plan, NUMBERS, progress)
    assert {(c.norm, c.case) for c in result.forms} == set(itertools.product(plan.norms, (c.name for c in CASES)))
    assert {(c.norm, c.case) for c in result.norms} == set(
        itertools.product(("batch", "batch unfolded"), (case.name for case in CASES))
    )
    policies = itertools.product(plan.norms, (policy.name for policy in POLICIES), (2, 4))
    assert {(c.norm, c.policy, c.clients) for c in result.batches} == set(policies)
    assert [table.row_count for table in tables(result)] == [14, 2, 7, 24]
    assert dataclasses.asdict(result)["forms"][0]["ratio"]["median"] > 0


def test_first_come_takes_the_oldest_within_the_limits() -> None:
    assert first_come([9, 1, 1, 9], max_size=3, max_frames=100) == [0, 1, 2]
    assert first_come([2, 2, 9, 2], max_size=4, max_frames=26) == [0, 1]
    assert first_come([50], max_size=4, max_frames=26) == [0]
    assert sorted(select_batch([2, 9, 2, 2], max_size=3, max_frames=26)) == [0, 2, 3]


def test_everything_is_called_in_every_round_and_compared_within_it() -> None:
    called: list[str] = []
    calls = {name: (lambda name=name: called.append(name)) for name in "ab"}
    seconds = in_turns(calls, rounds=3, repeats=2, seed=0)
    assert {name: len(rounds) for name, rounds in seconds.items()} == {"a": 3, "b": 3}
    assert sorted(called[:6]) == sorted(called[6:12]) == ["a"] * 3 + ["b"] * 3
    compared = ratio([2.0, 6.0, 40.0], [1.0, 2.0, 10.0])
    assert (compared.low, compared.median, compared.high) == (2.5, 3.0, 3.5)
    assert ratio([2.0], [1.0]).median == 2.0


def whole(graph: Graph, frames: Array) -> Array:
    outputs, _ = graph.run(frames, [FRAMES] * len(frames), graph.zero_states(len(frames)))
    return outputs


def streamed(graph: Graph, frames: Array) -> Array:
    states, outputs = graph.zero_states(len(frames)), []
    for chunk in np.split(frames, CUTS, axis=1):
        output, states = graph.run(chunk, [chunk.shape[1]] * len(chunk), states)
        outputs.append(output)
    return np.concatenate(outputs, axis=1)
