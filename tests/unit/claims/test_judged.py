from __future__ import annotations

import pytest

from claims import statistics
from claims.claim import Claim
from claims.judged import judged
from claims.verdict import Control, Figure, Judgement, Verdict


def _claim(*, held: bool) -> Claim:
    figure = Figure(name="off", value=1.0)
    judgement = Judgement(
        verdict=Verdict.SUPPORTED, reason="supported", key=figure, control=Control(figure=figure, held=held)
    )
    return Claim(number=1, measure=lambda _trial: {}, judge=lambda _measured: judgement)


def test_an_experiment_whose_control_failed_shows_nothing() -> None:
    assert judged(_claim(held=True), [0], [{}]).judgement.verdict is Verdict.SUPPORTED
    failed = judged(_claim(held=False), [0], [{}]).judgement
    assert (failed.verdict, failed.reason) == (Verdict.NOT_SHOWN, "control")


def test_every_seed_is_in_the_json() -> None:
    outcome = judged(_claim(held=True), [0, 1], [{"off": 1.0}, {"off": 2.0}])
    assert outcome.as_json()["runs"] == [{"seed": 0, "off": 1.0}, {"seed": 1, "off": 2.0}]


def test_the_interval_of_a_mean_is_students() -> None:
    figure = statistics.mean("accuracy", [0.9, 0.92, 0.91, 0.89, 0.93])
    assert figure.value == pytest.approx(0.91)
    assert [figure.low, figure.high] == pytest.approx([0.8904, 0.9296], abs=1e-4)


def test_one_seed_has_no_interval_and_its_value_decides() -> None:
    figure = statistics.difference("gap", [0.9], [0.8])
    assert figure.value == pytest.approx(10.0)
    assert figure.low is None
    assert figure.high is None
    assert statistics.above(figure, 9.0)
    assert not statistics.below(figure, 9.0)


def test_an_interval_decides_as_a_whole() -> None:
    figure = statistics.difference("gap", [0.9, 0.7], [0.8, 0.8])
    assert not statistics.above(figure, 0.0)
    assert not statistics.below(figure, 0.0)
