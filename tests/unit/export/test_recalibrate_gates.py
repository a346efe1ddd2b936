"""The gates before a recalibrated version: what passes, what doesn't, and the figures they say it by."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from export.recalibrate import gates, independence
from export.recalibrate.improvement import LayerSample, accuracy_change, mcnemar
from service.observers.skew import Moments

BOUNDS = gates.Bounds(sequences=100, span_seconds=60)


def autoregressive(count: int, rho: float, *, seed: int = 0) -> Any:
    """Draw x[t] = ρ x[t-1] + noise, whose autocorrelation time is (1 + ρ) / (1 - ρ)."""
    noise = np.random.default_rng(seed).normal(size=count)
    values = np.empty(count)
    values[0] = noise[0] / np.sqrt(1 - rho**2)
    for index in range(1, count):
        values[index] = rho * values[index - 1] + noise[index]
    return values


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.9])
def test_the_autocorrelation_time_of_a_known_series(rho: float) -> None:
    found = [independence.autocorrelation_time(autoregressive(4000, rho, seed=seed)) for seed in range(8)]
    assert np.mean(found) == pytest.approx((1 + rho) / (1 - rho), rel=0.15)


@pytest.mark.parametrize("values", [np.zeros(9), np.full(9, 0.1), np.array([1.0]), np.tile([1.0, -1.0], 20)])
def test_it_is_never_below_one(values: Any) -> None:
    assert independence.autocorrelation_time(values) == 1


def test_a_drift_leaves_a_handful() -> None:
    assert 1000 / independence.autocorrelation_time(np.linspace(0, 1, 1000)) < 10


def hanging_together(count: int, features: int, *, seed: int) -> Any:
    """Draw independent sequences whose skewed features tell nearly the same."""
    rng = np.random.default_rng(seed)
    return np.exp(rng.normal(size=(count, 1)) + 0.1 * rng.normal(size=(count, features)))


def test_the_one_test_is_wrong_as_often_as_it_says_however_features_hang_together() -> None:
    samples = 300
    alarms = sum(
        independence.dependence_p(hanging_together(40, 13, seed=seed), seed=seed) <= independence.ALARM
        for seed in range(samples)
    )
    # At 1 % each, more than 9 of 300 come in one case of a thousand.
    assert alarms <= 9


def test_the_one_test_finds_a_slow_feature_among_many() -> None:
    features = np.random.default_rng(0).normal(size=(100, 13))
    assert independence.dependence_p(features) > independence.ALARM
    features[:, 4] = autoregressive(100, 0.9)
    assert independence.dependence_p(features) == 0.001


@pytest.mark.parametrize("features", [np.zeros((9, 2)), np.full((9, 2), 0.1), np.zeros((0, 2)), np.ones((2, 1))])
def test_nothing_tells_nothing_of_time(features: Any) -> None:
    assert independence.dependence_p(features) == 1


def test_there_may_be_more_features_than_sequences() -> None:
    assert independence.dependence_p(hanging_together(20, 64, seed=0)) > independence.ALARM


def test_many_features_make_no_sequence_worth_less() -> None:
    features = np.random.default_rng(0).normal(size=(100, 64))
    assert 100 / independence.slowest_time(features) < 80
    gate = gates.independent_in_time(features, np.linspace(0, 1000, 100), BOUNDS)
    assert gate.passed
    assert "so that 100 are worth 100.0" in gate.words
    assert "false alarm in 1% of independent samples" in gate.words


def test_tokens_are_described_by_their_shares() -> None:
    found = independence.describe([np.array([1, 1, 2]), np.array([2, 3])])
    np.testing.assert_allclose(found, [[2 / 3, 1 / 3, 0], [0, 0.5, 0.5]])


def test_numbers_are_described_by_their_means() -> None:
    found = independence.describe([np.array([[1.0, 2], [3, 4]], np.float32), np.array([[5.0, 6]], np.float32)])
    assert found.tolist() == [[2, 3], [5, 6]]


def test_enough_sequences_of_like_length_pass() -> None:
    assert gates.enough_sequences(np.full(100, 7), BOUNDS).passed
    assert not gates.enough_sequences(np.full(99, 7), BOUNDS).passed


def test_one_long_sequence_is_not_many() -> None:
    gate = gates.enough_sequences(np.array([10_000, *[10] * 200]), BOUNDS)
    assert not gate.passed
    assert "201 sequences of 12000 frames are worth 1.4 of equal length" in gate.words
    assert str(gate).startswith("FAILED  enough sequences: ")


def test_nobody_passes_nothing() -> None:
    assert not gates.enough_sequences(np.array([]), BOUNDS).passed
    assert not gates.independent_in_time(np.zeros((0, 2)), np.zeros(0), BOUNDS).passed


def test_independent_sequences_over_time_pass_in_whatever_order_they_come() -> None:
    features = np.random.default_rng(0).normal(size=(400, 3))
    seconds = np.random.default_rng(1).uniform(0, 1000, 400)
    assert gates.independent_in_time(features, seconds, BOUNDS).passed


def test_one_slow_feature_is_enough_to_fail() -> None:
    features = np.random.default_rng(0).normal(size=(400, 3))
    features[:, 1] = autoregressive(400, 0.95)
    seconds = np.linspace(0, 1000, 400)
    gate = gates.independent_in_time(features, seconds, BOUNDS)
    assert not gate.passed
    # Shuffled in the list, they are put in order of time first.
    shuffled = np.random.default_rng(2).permutation(400)
    assert gates.independent_in_time(features[shuffled], seconds[shuffled], BOUNDS) == gate


def test_all_of_one_moment_fails() -> None:
    features = np.random.default_rng(0).normal(size=(400, 3))
    gate = gates.independent_in_time(features, np.linspace(0, 59, 400), BOUNDS)
    assert not gate.passed
    assert gate.words.startswith("over 59 s (60 s are needed)")


def layer(*, shift: float, stored: float, count: int = 50) -> LayerSample:
    """Make sequences of 20 frames, 4 features around `shift`, beside statistics of mean `stored` and variance 1."""
    values = np.random.default_rng(3).normal(shift, 1, (count, 20, 4))
    return LayerSample(
        frames=np.full(count, 20.0),
        total=values.sum(axis=1),
        squares=(values**2).sum(axis=1),
        reference=Moments(mean=np.full(4, stored), variance=np.ones(4)),
        eps=1e-5,
    )


def test_statistics_that_fit_the_traffic_pass() -> None:
    stale, new = (
        [layer(shift=1, stored=0), layer(shift=0, stored=0)],
        [layer(shift=1, stored=1), layer(shift=0, stored=0)],
    )
    gate = gates.lower_skew(stale, new)
    assert gate.passed
    assert "mean divergence of 2 layers changes by -0.2" in gate.words
    assert not gates.lower_skew(new, stale).passed


def test_no_change_does_not_pass() -> None:
    same = [layer(shift=0, stored=0)]
    assert not gates.lower_skew(same, same).passed


def test_accuracy_has_to_rise_beyond_chance() -> None:
    stale = np.array([True] * 60 + [False] * 40)
    much, little = stale.copy(), stale.copy()
    much[70:100] = True
    little[97:100] = True
    assert gates.higher_accuracy(stale, much).passed
    gate = gates.higher_accuracy(stale, little)
    assert not gate.passed
    assert "3 won, 0 lost, exact McNemar p = 0.25" in gate.words
    assert not gates.higher_accuracy(much, stale).passed
    assert not gates.higher_accuracy(stale, stale).passed
    assert not gates.higher_accuracy(np.zeros(0, bool), np.zeros(0, bool)).passed


def test_the_interval_is_that_of_the_source() -> None:
    before, after = np.zeros(100, bool), np.zeros(100, bool)
    before[:5], after[5:20] = True, True
    found = accuracy_change(before, after)
    assert found.value == pytest.approx(0.10)
    # Wald + 2: (15.5 - 5.5) / 102 ± z √(21 - 100 / 102) / 102
    assert (found.lower, found.upper) == pytest.approx((0.0120, 0.1841), abs=1e-3)


@pytest.mark.parametrize(("won", "lost", "p"), [(0, 0, 1), (3, 0, 0.25), (1, 1, 1), (8, 2, 0.109375)])
def test_the_exact_test(won: int, lost: int, p: float) -> None:
    assert mcnemar(won, lost) == mcnemar(lost, won) == p


def test_every_gate_says_what_it_rests_on() -> None:
    some, none = np.ones(7, bool), np.zeros(0, bool)
    assert gates.enough_sequences(np.full(100, 7), BOUNDS).rests_on == "100 sequences"
    assert gates.independent_in_time(np.zeros((1, 2)), np.zeros(1), BOUNDS).rests_on == "1 sequence"
    assert (
        gates.lower_skew([layer(shift=0, stored=0)], [layer(shift=0, stored=0)]).rests_on == "50 sequences, on no label"
    )
    assert gates.higher_accuracy(some, some).rests_on == "7 labels"
    assert gates.higher_accuracy(none, none).rests_on == "nothing"
    shadow = gates.difference_from_shadow(some, some, 2)
    assert str(shadow).endswith("; rests on 7 answers of shadow version 2")


def test_without_labels_the_answers_that_change_bound_what_accuracy_can_do() -> None:
    gate = gates.changed_answers(np.array([0, 1, 2, 0, 1]), np.array([0, 1, 0, 0, 1]))
    assert gate.passed is None
    assert "1 of 5 answers change, so accuracy does by 20.0% at most" in gate.words
    assert str(gate).startswith("noted   higher accuracy: no label is known")
    assert str(gate).endswith("; rests on 5 sequences, on no label")


def test_a_shadow_decides_nothing() -> None:
    alike = np.arange(100) < 60
    for after in (np.arange(100) < 90, np.arange(100) < 30):
        gate = gates.difference_from_shadow(alike, after, 2)
        assert gate.passed is None
        assert str(gate).startswith("noted   difference from the shadow: of 100 answers 40 differed from the shadow's")
