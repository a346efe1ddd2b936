"""The temperature is the one of least log loss, where there is one; the calibration error is its definition."""

from __future__ import annotations

import numpy as np
import pytest

from export.calibration import calibration_error, fit, log_softmax, temperature_of


def answers(seed: int, true_temperature: float) -> tuple[np.ndarray, np.ndarray]:
    """Draw outputs whose confidence is right at a temperature."""
    rng = np.random.default_rng(seed)
    outputs = rng.normal(0, 3, size=(4000, 5))
    probabilities = np.exp(log_softmax(outputs))
    labels = np.array([rng.choice(5, p=row) for row in probabilities])
    return outputs * true_temperature, labels


@pytest.mark.parametrize("true_temperature", [0.4, 1.0, 5.0])
def test_it_finds_the_temperature_at_which_confidence_is_right(true_temperature: float) -> None:
    calibration = fit(*answers(0, true_temperature))
    assert calibration.temperature == pytest.approx(true_temperature, rel=0.1)
    assert not calibration.bounded
    assert calibration.calibration_error_after < 0.03
    assert calibration.log_loss_after <= calibration.log_loss_before


def test_no_other_temperature_has_less_log_loss() -> None:
    outputs, labels = answers(1, 2.0)
    best = fit(outputs, labels)
    for factor in (0.9, 0.99, 1.01, 1.1):
        other = fit(outputs / (best.temperature * factor), labels)
        assert other.log_loss_before > best.log_loss_after


def test_outputs_in_other_units_have_their_temperature_in_them() -> None:
    outputs, labels = answers(2, 1.0)
    assert fit(7 * outputs, labels).temperature == pytest.approx(7 * fit(outputs, labels).temperature)


def test_where_every_answer_is_right_confidence_is_what_their_number_supports() -> None:
    labels = np.arange(18) % 3
    outputs = np.random.default_rng(0).normal(size=(18, 3)) + 10 * np.eye(3)[labels]
    calibration = fit(outputs, labels)
    confidence = np.exp(log_softmax(outputs / calibration.temperature)).max(axis=1).mean()
    assert calibration.bounded
    assert confidence == pytest.approx(19 / 20)


@pytest.mark.parametrize("classes", [1, 4])
def test_where_nothing_depends_on_the_temperature_it_is_one(classes: int) -> None:
    assert temperature_of(np.full((6, classes), 2.0), np.zeros(6, np.int64)) == (1.0, False)


def test_answers_that_are_always_wrong_leave_no_confidence() -> None:
    labels = np.arange(10) % 2
    outputs = 5.0 * np.eye(2)[1 - labels]
    calibration = fit(outputs, labels)
    assert calibration.log_loss_after == pytest.approx(np.log(2), abs=0.01)
    assert np.isfinite(calibration.temperature)


def test_the_calibration_error_weighs_each_bin_by_its_share() -> None:
    # Three of confidence 0.9, two right; one of confidence 0.6, which is right. Bins of 1/15: both apart.
    probabilities = np.array([[0.9, 0.1], [0.9, 0.1], [0.1, 0.9], [0.6, 0.4]])
    error = calibration_error(probabilities, np.array([0, 0, 0, 0]))
    assert error == pytest.approx(3 / 4 * abs(2 / 3 - 0.9) + 1 / 4 * abs(1 - 0.6))


def test_a_bin_has_its_upper_edge() -> None:
    probabilities = np.array([[1 / 3, 1 / 3, 1 / 3], [0.3, 0.35, 0.35]])
    assert calibration_error(probabilities, np.array([0, 0])) == pytest.approx((2 / 3 + 0.35) / 2)
