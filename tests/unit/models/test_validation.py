"""The validation part: groups stay whole, labels keep a training part, all comes from the training split."""

from __future__ import annotations

import numpy as np
import pytest

from models.data import Split, load
from models.training.validation import divide


def split_of(labels: list[int], groups: list[int]) -> Split:
    sequences = [np.full((1, 1), index, dtype=np.float32) for index in range(len(labels))]
    return Split(sequences=sequences, labels=np.array(labels), groups=np.array(groups))


@pytest.mark.parametrize("task", ["vowels", "digits", "languages"])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_no_group_is_on_both_sides(task: str, seed: int) -> None:
    train = load(task).train
    part, validation = divide(train, 0.1, np.random.default_rng(seed))
    assert not set(part.groups.tolist()) & set(validation.groups.tolist())
    assert len(part) + len(validation) == len(train)
    assert set(part.labels.tolist()) == set(train.labels.tolist())
    assert 0.05 < len(validation) / len(train) < 0.2


def test_labels_are_held_back_evenly() -> None:
    _, validation = divide(split_of([0, 1] * 20, list(range(40))), 0.1, np.random.default_rng(0))
    assert np.bincount(validation.labels).tolist() == [2, 2]


def test_groups_that_span_labels_are_drawn_whole() -> None:
    part, validation = divide(split_of([0, 1] * 10, [i // 2 for i in range(20)]), 0.2, np.random.default_rng(0))
    assert len(validation) == 4
    assert len(set(validation.groups.tolist())) == 2
    assert not set(part.groups.tolist()) & set(validation.groups.tolist())


def test_a_split_too_small_is_its_own_validation_part() -> None:
    split = split_of([0, 1], [0, 1])
    assert divide(split, 0.1, np.random.default_rng(0)) == (split, split)
