"""Sequences that are cut and joined are whole again, and a comparison sees every bit."""

from __future__ import annotations

import numpy as np
import pytest

from demo.third_party.sequences import Sequence, at_random, joined, numbers_that_differ, singly

LETTERS = Sequence(
    frames=np.arange(40, dtype=np.float32),
    per_frame={"hint": np.arange(40)},
    per_sequence={"voice": np.ones(3, np.float32)},
    initial_states={"memory": np.ones((1, 2), np.float32)},
)


@pytest.mark.parametrize("bounds", [[], singly(40), at_random(40, 1), [7]])
def test_pieces_join_to_the_whole(bounds: list[int]) -> None:
    pieces = LETTERS.cut(bounds)
    assert len(pieces) == len(bounds) + 1
    assert all(len(piece) > 0 and np.array_equal(piece.per_sequence["voice"], np.ones(3)) for piece in pieces)
    assert [list(piece.initial_states) for piece in pieces] == [
        ["memory"],
        *[[] for _ in bounds],
    ]
    whole = joined({"frames": piece.frames, **piece.per_frame} for piece in pieces)
    assert numbers_that_differ(whole, {"frames": LETTERS.frames, **LETTERS.per_frame}) == 0


@pytest.mark.parametrize(
    ("ours", "count"),
    [
        (np.array([0.0, 1.0, 2.0], np.float32), 0),
        (np.array([[0.0], [1.0], [2.0]], np.float32), 0),
        (np.array([-0.0, 1.0, 2.0], np.float32), 1),
        (np.array([0.0, 1.0, np.nextafter(np.float32(2), np.float32(3))], np.float32), 1),
        (np.array([0.0, 1.0, 2.0], np.float64), 3),
        (np.array([0.0, 1.0, 2.0, 3.0], np.float32), 4),
    ],
    ids=["equal", "other axes", "sign of zero", "last bit", "other type", "one too many"],
)
def test_every_bit_counts(ours: np.ndarray[tuple[int, ...], np.dtype[np.generic]], count: int) -> None:
    assert numbers_that_differ({"y": ours}, {"y": np.array([0.0, 1.0, 2.0], np.float32)}) == count


def test_an_output_that_is_not_there_differs() -> None:
    assert numbers_that_differ({}, {"y": np.zeros(5, np.uint8)}) == 5
