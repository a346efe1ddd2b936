from __future__ import annotations

import numpy as np
import pytest
from click.testing import CliRunner

from claims.accuracy_estimates.comparison import best, errors
from claims.accuracy_estimates.estimators import ESTIMATORS, Answers, Array, Labelled
from claims.accuracy_estimates.input_drift import InputDrift
from claims.accuracy_estimates.measurement import SHIFTS, Outcome

CLASSES, SEQUENCES = 4, 4000
CALIBRATED = sorted(ESTIMATORS.keys() - {"confidence"})


def _answers(rng: np.random.Generator, spread: float) -> Labelled:
    """Answers of a model that knows its probabilities, and states them five times too sharply."""
    logits = spread * rng.normal(size=(SEQUENCES, CLASSES))
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = (probabilities.cumsum(axis=1) > rng.random((SEQUENCES, 1))).argmax(axis=1)
    features: Array = np.stack([np.abs(logits).max(axis=1), rng.normal(size=SEQUENCES)], axis=1)
    return Labelled(outputs=5 * logits, features=features, labels=labels)


@pytest.mark.parametrize("name", CALIBRATED)
def test_an_estimate_is_right_where_nothing_has_changed(name: str) -> None:
    rng = np.random.default_rng(0)
    source, target = _answers(rng, 1.0), _answers(rng, 1.0)
    assert ESTIMATORS[name](source, target) == pytest.approx(target.right.mean(), abs=0.03)


@pytest.mark.parametrize("name", ["temperature", "weighted", "difference"])
def test_what_reads_confidence_follows_harder_inputs(name: str) -> None:
    rng = np.random.default_rng(1)
    source, target = _answers(rng, 1.0), _answers(rng, 0.5)
    assert target.right.mean() < source.right.mean() - 0.1
    assert ESTIMATORS[name](source, target) == pytest.approx(target.right.mean(), abs=0.04)


def test_the_confidence_of_a_model_that_is_too_sure_is_too_high() -> None:
    source = _answers(np.random.default_rng(2), 1.0)
    assert ESTIMATORS["confidence"](source, source) > source.right.mean() + 0.2


@pytest.mark.parametrize("name", ESTIMATORS)
def test_an_estimate_is_a_share_even_where_all_is_right_or_the_target_is_strange(name: str) -> None:
    right = Labelled(outputs=np.eye(3)[[0, 1, 2, 0]] * 9, features=np.zeros((4, 2)), labels=np.array([0, 1, 2, 0]))
    strange = Answers(outputs=np.full((2, 3), 1e6), features=np.full((2, 2), 1e9))
    assert 0.0 <= ESTIMATORS[name](right, strange) <= 1.0


def test_drift_is_seen_and_usual_traffic_is_none() -> None:
    rng = np.random.default_rng(3)
    train, usual, live = ([rng.normal(size=(20, 3)) for _ in range(200)] for _ in range(3))
    meter = InputDrift(train, usual, 50, rng)
    assert not meter.is_beyond(live)
    assert meter.is_beyond([1.5 * frames for frames in live])


def _outcome(seed: int, **estimates: float) -> Outcome:
    others = dict.fromkeys(ESTIMATORS, 0.0)
    return Outcome(
        seed=seed,
        model="tcn-layer",
        shift=list(SHIFTS)[1],
        accuracy=0.8,
        estimates={**others, **estimates},
        drifted=True,
    )


def test_the_best_is_nearest_on_average() -> None:
    outcomes = [_outcome(0, temperature=0.9, thresholded=0.75), _outcome(1, temperature=0.9, thresholded=0.9)]
    assert errors(outcomes, "temperature").value == pytest.approx(10.0)
    assert best(outcomes) == "thresholded"


def test_the_command_describes_itself() -> None:
    from claims.accuracy_estimates.__main__ import main

    assert "--seeds" in CliRunner().invoke(main, ["--help"]).output
