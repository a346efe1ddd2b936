"""How often the test of independence is wrong, and what it finds, as its command measures it."""

from __future__ import annotations

import numpy as np

from export.recalibrate.false_alarms import measure


def test_independent_samples_hardly_alarm_and_runs_do() -> None:
    labels = np.repeat(np.arange(5), 20)
    features = labels[:, None] + np.random.default_rng(0).normal(size=(100, 6))
    independent = measure(features, labels, size=60, run=1, samples=40)
    runs = measure(features, labels, size=60, run=6, samples=10)
    assert independent.alarms <= 3
    assert runs.alarms == 10
    assert independent.worth_by_slowest > runs.worth_by_slowest
    assert runs.row[:3] == ("runs of 6", "60", "10")
    assert measure(features, labels, size=60, run=6, samples=10) == runs
