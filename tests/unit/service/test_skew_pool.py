"""What a pool of probed sequences says: whole as in chunks, long as they are, and less the older it is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from service.observers.skew.pool import Pool, SequenceWeights
from tests.probes import EPS, WINDOW, FramesProbe, manifest

HALF_LIFE_SECONDS = 10.0


class Filled:
    """A pool, and a clock that a test moves."""

    def __init__(self, **reference: float) -> None:
        self.now = 0.0
        self.pool = Pool(
            manifest(**reference), half_life_seconds=HALF_LIFE_SECONDS, clock=lambda: self.now, wall_clock=lambda: 7e8
        )

    def add(self, sequence_id: str, *values: float) -> bool:
        frames = np.array(values, np.float32)[None, :, None]
        return self.pool.add(sequence_id, len(values), FramesProbe(("norm", "layer")).run(frames, [len(values)], {}))

    def fill(self, value: float = 0.0, *, count: int = WINDOW) -> None:
        for index in range(count):
            self.add(f"{self.now} {index}", value - 1, value + 1)

    @property
    def layer(self) -> Any:
        return self.pool.read().layers[0]


def test_nothing_is_told_before_there_are_enough_sequences() -> None:
    filled = Filled()
    filled.fill(count=WINDOW - 1)
    assert filled.pool.read().layers == ()
    filled.add("another", 0, 1)
    assert len(filled.pool.read().layers) == 2


def test_a_long_sequence_is_one_however_it_comes() -> None:
    filled = Filled()
    for _ in range(100):
        filled.add("long", 1, 2)
    reading = filled.pool.read()
    assert (reading.sequences, reading.frames, reading.effective_sequences) == (1, 200, 1)
    assert reading.layers == ()


def test_the_effective_number_is_kish_s() -> None:
    weights = SequenceWeights()
    for name, frames in (("a", 10), ("b", 30), ("a", 10), ("c", 1)):
        weights.add(name, frames)
    assert weights.effective_count == pytest.approx((20 + 30 + 1) ** 2 / (20**2 + 30**2 + 1))


def test_it_does_not_change_by_fading_alone_and_a_long_time_is_borne() -> None:
    weights = SequenceWeights()
    weights.add("a", 10)
    weights.add("b", 30)
    before = weights.effective_count
    weights.fade(0.25)
    assert weights.effective_count == pytest.approx(before)
    weights.add("a", 5)
    assert weights.effective_count == pytest.approx((7.5 + 7.5) ** 2 / (7.5**2 + 7.5**2))
    weights.fade(0.0)
    weights.add("a", 3)
    assert weights.effective_count == 1


def test_what_is_held_of_open_sequences_is_bounded() -> None:
    weights = SequenceWeights(max_open=2)
    for name in ("a", "b", "c", "a"):
        weights.add(name, 1)
    assert weights.sequence_count == 4  # the first was forgotten


def test_moments_are_those_of_all_frames() -> None:
    rng = np.random.default_rng(0)
    sequences = [rng.normal(3, 2, rng.integers(1, 50)) for _ in range(20)]
    whole, chunked = Filled(), Filled()
    for index, values in enumerate(sequences):
        whole.add(str(index), *values)
        for piece in np.array_split(values, 3):
            if len(piece):
                chunked.add(str(index), *piece)
    together = np.concatenate(sequences)
    for filled in (whole, chunked):
        np.testing.assert_allclose(filled.layer.live.mean, [together.mean()], rtol=1e-6)
        np.testing.assert_allclose(filled.layer.live.variance, [together.var()], rtol=1e-6)
    assert whole.pool.read().effective_sequences == pytest.approx(chunked.pool.read().effective_sequences)


def test_a_frame_counts_half_after_its_half_life() -> None:
    filled = Filled()
    filled.fill(0.0)
    filled.now = HALF_LIFE_SECONDS
    filled.fill(3.0)
    assert filled.layer.live.mean[0] == pytest.approx(3 * 1 / 1.5)
    filled.now = 50 * HALF_LIFE_SECONDS
    filled.fill(7.0)
    assert filled.layer.live.mean[0] == pytest.approx(7)


def test_traffic_as_in_training_crosses_nothing_and_a_shift_does() -> None:
    filled = Filled()
    filled.fill(0.0)
    assert not filled.layer.is_crossed
    assert filled.layer.skew.mean_tid == pytest.approx(0, abs=1e-6)
    filled.now = 20 * HALF_LIFE_SECONDS
    filled.fill(0.6)
    assert filled.layer.is_crossed
    assert filled.layer.skew.mean_tid == pytest.approx(0.6, rel=1e-3)


def test_each_figure_alone_crosses() -> None:
    wide = Filled(variance=0.3)  # of a live 1
    wide.fill(0.0)
    assert wide.layer.is_crossed
    assert wide.layer.skew.mean_tid < 0.5


def test_a_control_has_moments_and_nothing_to_cross() -> None:
    filled = Filled()
    filled.fill(5.0)
    control = filled.pool.read().layers[1]
    assert (control.reference, control.skew, control.is_crossed) == (None, None, False)
    assert control.input_mean == pytest.approx(5)
    assert control.input_deviation == pytest.approx(np.sqrt(1), abs=EPS)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_what_is_not_finite_is_left_out(bad: float) -> None:
    filled = Filled()
    filled.fill(0.0)
    assert not filled.add("bad", bad)
    assert filled.pool.read().sequences == WINDOW
    assert filled.layer.skew.mean_tid == pytest.approx(0, abs=1e-6)


def test_times_are_told() -> None:
    filled = Filled()
    assert np.isnan(filled.pool.read().since)
    filled.fill()
    assert (filled.pool.read().since, filled.pool.read().until) == (7e8, 7e8)
