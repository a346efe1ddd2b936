"""What a shift does, and when it is there."""

from __future__ import annotations

import math

import numpy as np
import pytest

from models.data import Dataset
from simulation.phases import Phases
from simulation.shifts import Classes, Concept, Crop, FrameShift, Gain, Lengths, Noise, Offset, Stretch

FRAMES = np.arange(1, 13, dtype=np.float32).reshape(4, 3)
DEVIATION = np.array([1.0, 10.0, 100.0])


def applied(shift: FrameShift, strength: float = 1.0, frames: np.ndarray = FRAMES) -> np.ndarray:
    return shift.applied(frames, strength, DEVIATION, np.random.default_rng(0))


def test_a_shift_is_there_from_its_begin_to_its_end_and_grows_along_its_ramp() -> None:
    shift = Gain(factor=2, begin_seconds=10, ramp_seconds=4, end_seconds=20)
    times = (9.9, 10, 11, 12, 14, 19.9, 20)
    assert [shift.strength(at) for at in times] == pytest.approx([0, 0, 0.25, 0.5, 1, 1, 0])


def test_without_an_end_it_stays() -> None:
    assert Gain(factor=2).strength(1e9) == 1


def test_a_shift_cannot_end_before_it_has_grown() -> None:
    with pytest.raises(ValueError, match="ends before"):
        Gain(factor=2, begin_seconds=5, ramp_seconds=5, end_seconds=9)


def test_gain_multiplies_all_channels_or_one_and_leaves_the_data_as_they_were() -> None:
    assert applied(Gain(factor=2)).tolist() == (FRAMES * 2).tolist()
    one = applied(Gain(factor=2, channel=1))
    assert one[:, 1].tolist() == (FRAMES[:, 1] * 2).tolist()
    assert one[:, [0, 2]].tolist() == FRAMES[:, [0, 2]].tolist()
    assert FRAMES[0].tolist() == [1, 2, 3]


def test_half_grown_a_gain_of_four_is_two() -> None:
    assert applied(Gain(factor=4), 0.5).tolist() == (FRAMES * 2).tolist()


def test_an_offset_is_counted_in_deviations_of_its_channel() -> None:
    assert (applied(Offset(deviations=-2), 0.5) - FRAMES)[0].tolist() == [-1, -10, -100]


def test_noise_has_the_deviation_it_should_have_on_each_channel() -> None:
    frames = np.zeros((20_000, 3), np.float32)
    assert applied(Noise(deviations=0.5), 1.0, frames).std(axis=0) == pytest.approx(0.5 * DEVIATION, rel=0.05)
    assert applied(Noise(deviations=0.5, channel=2), 1.0, frames).std(axis=0)[:2].tolist() == [0, 0]


def test_stretch_keeps_the_ends_and_interpolates_between() -> None:
    stretched = applied(Stretch(least_factor=2, most_factor=2))
    assert len(stretched) == 8
    assert stretched[0].tolist() == FRAMES[0].tolist()
    assert stretched[-1].tolist() == FRAMES[-1].tolist()
    assert (np.diff(stretched, axis=0) > 0).all()
    assert stretched.dtype == np.float32


def test_stretch_repeats_or_leaves_out_tokens() -> None:
    assert applied(Stretch(least_factor=0.5, most_factor=0.5), 1.0, np.arange(6)).tolist() == [0, 2, 5]


def test_a_crop_is_a_piece_and_what_is_shorter_stays_whole() -> None:
    piece = applied(Crop(least_frames=2, most_frames=2))
    assert piece.tolist() in [FRAMES[first : first + 2].tolist() for first in range(3)]
    assert applied(Crop(least_frames=9, most_frames=9)).tolist() == FRAMES.tolist()


def test_lengths_keeps_the_quarter_that_is_shortest(dataset: Dataset) -> None:
    weights = Lengths(most_quantile=0.25).weighed(dataset.test, dataset.spec.labels)
    lengths = np.array([len(sequence) for sequence in dataset.test.sequences])
    assert set(lengths[weights > 0]) == set(range(5, 16))


def test_classes_are_weighed_by_name_and_an_unknown_one_is_named(dataset: Dataset) -> None:
    weights = Classes(weights={"b": 5, "c": 0}).weighed(dataset.test, dataset.spec.labels)
    assert weights[:4].tolist() == [1, 5, 0, 1]
    with pytest.raises(ValueError, match="no such label: z"):
        Classes(weights={"z": 1}).weighed(dataset.test, dataset.spec.labels)


def test_a_concept_shift_permutes_and_leaves_no_class_where_it_was() -> None:
    becomes = Concept().permutation(10, seed=3)
    assert sorted(becomes) == list(range(10))
    assert all(new != old for old, new in enumerate(becomes))
    assert becomes == Concept().permutation(10, seed=3)


def test_a_part_of_the_classes_changes_places() -> None:
    becomes = Concept(classes_ratio=0.4).permutation(10, seed=3)
    assert sum(new != old for old, new in enumerate(becomes)) == 4


def test_phases_lie_between_the_times_at_which_something_changes() -> None:
    phases = Phases([Gain(factor=2, begin_seconds=10, ramp_seconds=5), Concept(begin_seconds=30, end_seconds=40)])
    assert phases.names == [
        "0 to 10 s: no shift",
        "10 to 15 s: gain factor=2 (growing)",
        "15 to 30 s: gain factor=2",
        "30 to 40 s: gain factor=2, concept classes_ratio=1",
        "from 40 s: gain factor=2",
    ]
    assert [phases.number(at) for at in (0, 9.9, 10, 20, 39, math.inf)] == [0, 0, 1, 2, 3, 4]
