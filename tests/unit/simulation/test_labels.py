"""When labels come, and how many never, twice or with another class."""

from __future__ import annotations

import numpy as np
import pytest

from simulation.labels import LabelPolicy, planned

CLASSES, TRUTH, DRAWS = 5, 2, 20_000


@pytest.mark.parametrize("delay", ["constant", "exponential", "lognormal"])
def test_delays_have_the_mean_they_should_have(delay: str) -> None:
    policy, rng = LabelPolicy(delay=delay, mean_seconds=3.0), np.random.default_rng(0)  # type: ignore[arg-type]
    delays = [policy.delay_seconds(rng) for _ in range(DRAWS)]
    assert min(delays) >= 0
    assert np.mean(delays) == pytest.approx(3.0, rel=0.05)


def test_shares_of_missing_repeated_and_contradictory_labels() -> None:
    policy = LabelPolicy(missing_ratio=0.1, repeated_ratio=0.2, contradictory_ratio=0.3)
    rng = np.random.default_rng(0)
    plans = [planned(policy, TRUTH, CLASSES, rng) for _ in range(DRAWS)]
    kinds = [tuple(label.class_index == TRUTH for label in plan) for plan in plans]
    assert kinds.count(()) / DRAWS == pytest.approx(0.1, abs=0.02)
    assert kinds.count((True, True)) / DRAWS == pytest.approx(0.2, abs=0.02)
    assert kinds.count((True, False)) / DRAWS == pytest.approx(0.3, abs=0.02)
    assert kinds.count((True,)) / DRAWS == pytest.approx(0.4, abs=0.02)


def test_the_true_label_always_comes_first_and_the_wrong_one_is_a_class() -> None:
    policy, rng = LabelPolicy(contradictory_ratio=1.0), np.random.default_rng(0)
    for _ in range(100):
        first, second = planned(policy, TRUTH, CLASSES, rng)
        assert first.delay_seconds < second.delay_seconds
        assert first.class_index == TRUTH != second.class_index < CLASSES


def test_more_than_all_cannot_go_wrong() -> None:
    with pytest.raises(ValueError, match="more than all"):
        LabelPolicy(missing_ratio=0.6, repeated_ratio=0.6)
