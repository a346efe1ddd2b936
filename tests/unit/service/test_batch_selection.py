from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from service.serving.batcher.batch_selection import select_batch

MAX_PADDING_RATIO = 0.5
lengths_waiting = st.lists(st.integers(1, 300), min_size=1, max_size=60)
sizes = st.integers(1, 40)
frames = st.integers(1, 2000)


@given(lengths_waiting, sizes, frames)
def test_the_oldest_is_always_chosen(lengths: list[int], max_size: int, max_frames: int) -> None:
    assert 0 in select_batch(lengths, max_size=max_size, max_frames=max_frames)


@given(lengths_waiting, sizes, frames)
def test_bounds_are_kept(lengths: list[int], max_size: int, max_frames: int) -> None:
    chosen = select_batch(lengths, max_size=max_size, max_frames=max_frames)
    assert len(chosen) == len(set(chosen)) <= max_size
    if len(chosen) > 1:  # the oldest runs even when it is too long by itself
        assert len(chosen) * max(lengths[index] for index in chosen) <= max_frames


@given(lengths_waiting, sizes, frames)
def test_the_chosen_are_sorted_by_length(lengths: list[int], max_size: int, max_frames: int) -> None:
    chosen = [lengths[index] for index in select_batch(lengths, max_size=max_size, max_frames=max_frames)]
    assert chosen == sorted(chosen)


@given(lengths_waiting, sizes, frames)
def test_padding_is_bounded(lengths: list[int], max_size: int, max_frames: int) -> None:
    chosen = [lengths[index] for index in select_batch(lengths, max_size=max_size, max_frames=max_frames)]
    assert 1 - sum(chosen) / (len(chosen) * max(chosen)) <= MAX_PADDING_RATIO


@given(lengths_waiting, sizes, frames)
def test_nobody_between_two_chosen_lengths_is_left_out(lengths: list[int], max_size: int, max_frames: int) -> None:
    chosen = select_batch(lengths, max_size=max_size, max_frames=max_frames)
    shortest, longest = lengths[chosen[0]], lengths[chosen[-1]]
    left = [length for index, length in enumerate(lengths) if index not in chosen]
    assert not [length for length in left if shortest < length < longest]


@given(st.integers(1, 300), st.integers(1, 40), st.integers(1, 40))
def test_equals_share_a_run_as_far_as_there_is_room(length: int, waiting: int, max_size: int) -> None:
    chosen = select_batch([length] * waiting, max_size=max_size, max_frames=40 * 300)
    assert len(chosen) == min(waiting, max_size)


def test_the_nearest_in_length_join_first() -> None:
    assert select_batch([10, 100, 9, 12, 1], max_size=3, max_frames=1000) == [2, 0, 3]


@given(lengths_waiting, sizes, frames)
def test_of_equals_the_older_are_chosen(lengths: list[int], max_size: int, max_frames: int) -> None:
    chosen = select_batch(lengths, max_size=max_size, max_frames=max_frames)
    for index in chosen:
        older = [other for other in range(1, index) if lengths[other] == lengths[index]]
        assert set(older) <= set(chosen)


def test_no_run_is_mostly_padding() -> None:
    assert select_batch([100, 1, 1, 1], max_size=8, max_frames=1000) == [1, 0]  # a second short one would be too much
