"""Skew: pooled sums give the moments of all frames together, and the figures are those of their definitions."""

from __future__ import annotations

import math

import numpy as np
import pytest

from service.observers.skew import Moments, PooledSums, measure, thresholds_for
from soloist.v1.model_pb2 import Moments as Message
from soloist.v1.model_pb2 import ProbedLayer, SkewThresholds


def sums(frames: np.ndarray) -> PooledSums:
    return PooledSums(frames=len(frames), total=frames.sum(axis=0), squares=(frames**2).sum(axis=0))


def moments(mean: list[float], variance: list[float]) -> Moments:
    return Moments.from_message(Message(mean=mean, variance=variance))


def test_pooled_sums_are_those_of_all_frames_together() -> None:
    frames = np.random.default_rng(0).normal(3, 2, size=(50, 4))
    found = (sums(frames[:7]) + sums(frames[7:20]) + sums(frames[20:])).moments()
    np.testing.assert_allclose(found.mean, frames.mean(axis=0))
    np.testing.assert_allclose(found.variance, frames.var(axis=0))


def test_a_weight_counts_as_that_many_copies() -> None:
    frames = np.random.default_rng(0).normal(size=(9, 2))
    found = (sums(frames[:4]).weighted(3) + sums(frames[4:])).moments()
    expected = np.concatenate([frames[:4]] * 3 + [frames[4:]])
    np.testing.assert_allclose(found.mean, expected.mean(axis=0))
    np.testing.assert_allclose(found.variance, expected.var(axis=0))


def test_a_constant_feature_has_no_variance_and_no_less() -> None:
    found = sums(np.full((3, 1), 0.1)).moments()
    assert 0 <= found.variance[0] < 1e-15


def test_without_frames_there_are_no_moments() -> None:
    with pytest.raises(ValueError, match="no frame"):
        sums(np.zeros((0, 2))).moments()


def test_the_same_moments_have_no_skew() -> None:
    same = moments([1, -2], [4, 0])
    skew = measure(same, same, 1e-5)
    assert (skew.mean_tid, skew.variance_tid, skew.divergence_nats) == (0, 0, 0)


def test_each_figure_is_a_mean_over_features() -> None:
    # Feature 0 lies 3 below the stored mean at a deviation of 2; feature 1 spreads twice as much as stored.
    skew = measure(moments([0, 5], [4, 4]), moments([3, 5], [4, 1]), 0)
    assert skew.mean_tid == pytest.approx((3 / 2 + 0) / 2)
    assert skew.variance_tid == pytest.approx((0 + 1 / 2) / 2)
    moved, spread = 3**2 / (2 * 4), math.log(1 / 2) + 4 / 2 - 1 / 2
    assert skew.divergence_nats == pytest.approx((moved + spread) / 2)


def test_a_feature_that_never_changes_keeps_the_figures_finite() -> None:
    skew = measure(moments([1], [0]), moments([0], [1]), 1e-5)
    assert all(math.isfinite(value) for value in (skew.mean_tid, skew.variance_tid, skew.divergence_nats))
    assert skew.mean_tid == pytest.approx(1 / math.sqrt(1e-5))


@pytest.mark.parametrize(("sequences", "window"), [(7.9, None), (8, 8), (31.5, 8), (32, 32), (1000, 32)])
def test_a_pool_is_held_against_the_largest_window_it_fills(sequences: float, window: int | None) -> None:
    layer = ProbedLayer(thresholds=[SkewThresholds(window_sequences=size) for size in (8, 32)])
    found = thresholds_for(layer, sequences)
    assert (found.window_sequences if found else None) == window


def test_a_control_has_no_thresholds() -> None:
    assert thresholds_for(ProbedLayer(kind="layer"), 1000) is None
