"""Arrivals are fixed beforehand, by a seed."""

from __future__ import annotations

import numpy as np
import pytest

from bench.load_generator.load import Arrivals, arrival_seconds


@pytest.mark.parametrize("arrivals", Arrivals)
def test_the_same_seed_gives_the_same_arrivals(arrivals: Arrivals) -> None:
    first, second = (arrival_seconds(arrivals, rate_per_second=40.0, seconds=5.0, seed=3) for _ in range(2))
    assert np.array_equal(first, second)


@pytest.mark.parametrize("arrivals", Arrivals)
def test_arrivals_ascend_within_the_window(arrivals: Arrivals) -> None:
    due = arrival_seconds(arrivals, rate_per_second=40.0, seconds=5.0, seed=3)
    assert (np.diff(due) >= 0).all()
    assert due[0] >= 0
    assert due[-1] < 5.0


def test_uniform_arrivals_are_evenly_spaced() -> None:
    due = arrival_seconds(Arrivals.UNIFORM, rate_per_second=4.0, seconds=1.0, seed=0)
    assert due.tolist() == [0.0, 0.25, 0.5, 0.75]


def test_poisson_arrivals_have_the_rate_and_exponential_gaps() -> None:
    due = arrival_seconds(Arrivals.POISSON, rate_per_second=1000.0, seconds=100.0, seed=0)
    gaps = np.diff(due)
    assert len(due) == pytest.approx(100_000, rel=0.02)  # six standard deviations
    assert gaps.std() / gaps.mean() == pytest.approx(1.0, abs=0.03)  # of a fixed gap it is 0


def test_another_seed_gives_other_arrivals() -> None:
    first, second = (arrival_seconds(Arrivals.POISSON, rate_per_second=9.0, seconds=9.0, seed=s) for s in (0, 1))
    assert not np.array_equal(first, second)


@pytest.mark.parametrize(
    ("rate_per_second", "seconds"),
    [(0.0, 1.0), (-1.0, 1.0), (1.0, 0.0), (1e9, 1e9), (float("nan"), 1.0), (float("inf"), 1.0)],
)
def test_an_impossible_or_boundless_load_is_refused(rate_per_second: float, seconds: float) -> None:
    with pytest.raises(ValueError, match=r"positive|more than"):
        arrival_seconds(Arrivals.POISSON, rate_per_second=rate_per_second, seconds=seconds, seed=0)
