"""Batches: every sequence once, padded with zeros, sequences of about one length together."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from models.data import Dataset, Split
from models.training.batches import Batch, training_batches, whole_batches


def sequences_of(batch: Batch) -> list[bytes]:
    return [row[:length].numpy().tobytes() for row, length in zip(batch.x, batch.length.tolist(), strict=True)]


@pytest.mark.parametrize("size", [1, 7, 16, 100])
def test_an_epoch_holds_every_sequence_once(dataset: Dataset, size: int) -> None:
    batches = list(training_batches(dataset.train, size, np.random.default_rng(0)))
    seen = [sequence for batch in batches for sequence in sequences_of(batch)]
    assert sorted(seen) == sorted(sequence.tobytes() for sequence in dataset.train.sequences)
    sizes = [len(batch.labels) for batch in batches]
    assert max(sizes) <= size
    assert max(sizes) - min(sizes) <= 1


def test_labels_stay_with_their_sequences(dataset: Dataset) -> None:
    label_of = {s.tobytes(): int(k) for s, k in zip(dataset.train.sequences, dataset.train.labels, strict=True)}
    for batch in training_batches(dataset.train, 8, np.random.default_rng(0)):
        assert [label_of[sequence] for sequence in sequences_of(batch)] == batch.labels.tolist()


def test_padding_is_zero(dataset: Dataset) -> None:
    for _, batch in whole_batches(dataset.train):
        for row, length in zip(batch.x, batch.length.tolist(), strict=True):
            assert torch.count_nonzero(row[length:]) == 0


def test_epochs_differ_and_a_seed_repeats_them(dataset: Dataset) -> None:
    def order(rng: np.random.Generator) -> list[bytes]:
        return [s for batch in training_batches(dataset.train, 8, rng) for s in sequences_of(batch)]

    rng = np.random.default_rng(3)
    first, second = order(rng), order(rng)
    assert first != second
    assert first == order(np.random.default_rng(3))


def test_long_sequences_come_as_crops() -> None:
    long = np.arange(100, dtype=np.int64)
    split = Split(sequences=[long, long[:4]], labels=np.array([1, 0]))
    crops: list[tuple[int, list[int]]] = []
    for batch in training_batches(split, 3, np.random.default_rng(0), window=30):
        rows = zip(batch.labels.tolist(), batch.x, batch.length.tolist(), strict=True)
        crops += [(label, row[:length].tolist()) for label, row, length in rows]
    assert [label for label, _ in sorted(crops)] == [0, 1, 1, 1, 1]
    for label, crop in crops:
        assert len(crop) == (30 if label else 4)
        assert crop == list(range(crop[0], crop[0] + len(crop)))


def test_whole_batches_stay_within_the_budget(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.training.batches.FRAME_BUDGET", 30)
    pairs = list(whole_batches(dataset.train))
    assert sorted(np.concatenate([indices for indices, _ in pairs]).tolist()) == list(range(len(dataset.train)))
    assert all(batch.x.shape[0] * batch.x.shape[1] <= 30 for _, batch in pairs)


def test_a_sequence_beyond_the_budget_comes_alone(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.training.batches.FRAME_BUDGET", 1)
    assert [len(indices) for indices, _ in whole_batches(dataset.train)] == [1] * len(dataset.train)
