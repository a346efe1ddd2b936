"""The shadow: every step is counted for what came of it, in order, and whoever falls behind is let go."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from service.engine.row import AuxiliaryInputs
from service.engine.runner import Row
from service.loading.servable import Servable
from service.observers.shadow import ShadowPolicy, Shadows, compare
from service.serving.prediction import Prediction
from tests.servables import POISON, GatedRunner, servable
from tests.unit.service.conftest import Meter

QUEUED = 3
POLICY = ShadowPolicy(piece_frames=8, max_queued=QUEUED, max_step_bytes=100, core_ratio=1.0)


class Pair:
    """A version that answers, its shadow, and the steps between them."""

    def __init__(self, meter: Meter, shadow: Servable | None) -> None:
        self.answering = servable(GatedRunner())
        self.shadow = shadow
        self.found: list[Prediction] = []
        self.shadows = Shadows(
            POLICY, lambda _: self.shadow, meter.metrics.shadow, meter.failures, observers=[self.found.append]
        )
        self._meter = meter

    def step(self, sequence: Any, *values: float, given: list[float]) -> None:
        self.shadows.step(sequence, self.given(values, given))

    def whole(self, *values: float, given: list[float]) -> None:
        self.shadows.whole(self.given(values, given))

    def given(self, values: Sequence[float], outputs: Sequence[float]) -> Prediction:
        return Prediction(
            id="an answer",
            servable=self.answering,
            sequence_id="a sequence",
            row=Row(frames=np.array(values, np.float32)[:, None], states={}),
            outputs=np.array(outputs, np.float32)[:, None],
            first_frame=0,
            is_whole=False,
            batch_size=3,
        )

    @property
    def counts(self) -> dict[str, int]:
        self.shadows.settle()
        samples = next(iter(self._meter.metrics.shadow.steps.collect())).samples
        assert all(
            (sample.labels["model"], sample.labels["version"], sample.labels["shadow"]) == ("gated", "1", "2")
            for sample in samples
        )
        return {each.labels["outcome"]: int(each.value) for each in samples if each.name.endswith("_total")}


@pytest.fixture
def runner() -> GatedRunner:
    return GatedRunner()


@pytest.fixture
def pair(meter: Meter, runner: GatedRunner) -> Iterator[Pair]:
    pair = Pair(meter, servable(runner, version=2))
    with pair.shadows:
        yield pair
        runner.gate.set()


def test_every_step_carries_the_state_and_is_counted(pair: Pair) -> None:
    sequence = pair.shadows.begin(pair.answering)
    pair.step(sequence, 1, 2, given=[1, 3])
    pair.step(sequence, 4, given=[7])
    pair.step(sequence, 1, given=[7.5])
    assert pair.counts == {"equal-bits": 2, "different-values": 1}


def test_observers_are_told_what_the_shadow_says(pair: Pair) -> None:
    sequence = pair.shadows.begin(pair.answering)
    pair.step(sequence, 1, 2, given=[9, 9])
    pair.step(sequence, 4, 1, given=[9])
    assert sum(pair.counts.values()) == 2
    assert [found.outputs[:, 0].tolist() for found in pair.found] == [[1, 3], [8]]
    assert {(found.id, found.servable.version, found.batch_size) for found in pair.found} == {("an answer", 2, 1)}


def test_the_last_frame_is_enough(pair: Pair) -> None:
    pair.whole(*[1.0] * 5, given=[5])
    assert pair.counts == {"equal-bits": 1}


def test_without_a_shadow_nothing_is_counted(pair: Pair) -> None:
    pair.shadow = None
    sequence = pair.shadows.begin(pair.answering)
    assert sequence is None
    pair.step(sequence, 1, given=[1])
    assert pair.counts == {}


def test_what_comes_with_the_frames_takes_room_too(pair: Pair) -> None:
    given = pair.given([1], [1])
    large = AuxiliaryInputs(inputs={"speaker": np.zeros(100, np.float32)})
    pair.shadows.whole(replace(given, row=replace(given.row, auxiliary=large)))
    assert pair.counts == {"dropped": 1}


def test_a_failure_ends_the_sequence_and_no_other(pair: Pair) -> None:
    failing, other = pair.shadows.begin(pair.answering), pair.shadows.begin(pair.answering)
    pair.step(failing, POISON, given=[0])
    pair.step(failing, 1, given=[1])  # it may look right, and would not mean anything
    pair.step(other, 1, given=[1])
    assert pair.counts == {"failed": 1, "dropped": 1, "equal-bits": 1}


def test_what_falls_behind_is_over_and_the_steps_that_are_queued_still_count(pair: Pair, runner: GatedRunner) -> None:
    sequence = pair.shadows.begin(pair.answering)
    runner.gate.clear()
    pair.step(sequence, 1, given=[1])
    runner.await_run()
    for _ in range(QUEUED + 2):
        pair.step(sequence, 0, given=[1])
    assert sequence is not None
    assert sequence.is_over
    runner.gate.set()
    assert pair.counts == {"equal-bits": 1 + QUEUED, "dropped": 2}
    pair.step(sequence, 0, given=[1])
    assert pair.counts["dropped"] == 3


def test_a_step_that_is_too_large_is_dropped(pair: Pair) -> None:
    pair.whole(*[1.0] * 30, given=[1])
    assert pair.counts == {"dropped": 1}


def test_a_shadow_that_is_unloaded_is_not_held(pair: Pair) -> None:
    sequence = pair.shadows.begin(pair.answering)
    pair.shadow = None
    pair.step(sequence, 1, given=[1])
    assert pair.counts == {"dropped": 1}


def test_a_shadow_that_sees_later_frames_gets_whole_sequences_only(pair: Pair) -> None:
    assert pair.shadow is not None
    pair.shadow.manifest.causal = False
    pair.step(pair.shadows.begin(pair.answering), 1, given=[1])
    pair.whole(*[1.0] * 5, given=[5])
    assert pair.counts == {"dropped": 1, "equal-bits": 1}


def test_what_waits_at_the_end_is_dropped(meter: Meter, runner: GatedRunner) -> None:
    pair = Pair(meter, servable(runner, version=2))
    runner.gate.clear()
    with pair.shadows:
        sequence = pair.shadows.begin(pair.answering)
        pair.step(sequence, 1, given=[1])
        runner.await_run()
        pair.step(sequence, 1, given=[2])
    pair.step(sequence, 1, given=[3])
    runner.gate.set()
    assert pair.counts == {"dropped": 2, "equal-bits": 1}


@pytest.mark.parametrize(
    ("given", "found", "outcome"),
    [
        ([[1, 2]], [[1, 2]], "equal-bits"),
        ([[1, 2]], [[9, 9], [1, 2]], "equal-bits"),
        ([[9, 9], [1, 2]], [[9, 8], [1, 2]], "same-class"),
        ([[0.0, 1.0]], [[-0.0, 1.0]], "same-class"),
        ([[1, 2]], [[2, 1]], "different-class"),
        ([[1], [2]], [[1], [3]], "different-values"),
        ([1, 2], [1, 3], "different-values"),
        ([[1, 2]], [[1, 2, 3]], "failed"),
        ([[1, 2], [1, 2]], [[1, 2]], "failed"),
    ],
)
def test_how_far_two_answers_are_apart(given: Any, found: Any, outcome: str) -> None:
    assert compare(np.array(given, np.float32), np.array(found, np.float32)) == outcome
