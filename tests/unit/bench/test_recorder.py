"""A histogram says what an HDR histogram that was told of each time says."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hdrh.histogram import HdrHistogram

from bench import recorder
from bench.recorder import CURVE_PERCENTILES, Histogram


@pytest.mark.parametrize("most_kept", [7, 2_000_000])
def test_it_agrees_with_one_that_counts_at_once(monkeypatch: pytest.MonkeyPatch, most_kept: int) -> None:
    monkeypatch.setattr(recorder, "_MOST_KEPT", most_kept)
    seconds = [*np.exp(np.random.default_rng(0).normal(-6, 3, 2000)), 0.0, -1.0, 1e4, 2.047e-3, 2.048e-3, 3599.9996]
    histogram, plain = Histogram(), HdrHistogram(1, 3_600_000_000, 3)
    for each in seconds:
        histogram.add(each)
        plain.record_value(min(max(round(each * 1e6), 1), 3_600_000_000))
    assert histogram.count == len(seconds)
    for shown in (histogram, pickle.loads(pickle.dumps(histogram))):  # noqa: S301  # as it comes from another process
        latency = shown.latency()
        assert latency.mean_ms == pytest.approx(plain.get_mean_value() / 1e3)
        assert latency.curve == [(each, plain.get_value_at_percentile(each) / 1e3) for each in CURVE_PERCENTILES]
        assert latency.p50_ms == shown.percentile_ms(50.0) == plain.get_value_at_percentile(50.0) / 1e3


def test_an_empty_one_is_zero() -> None:
    assert Histogram().latency().max_ms == Histogram().percentile_ms(99.0) == 0.0
