"""Batches of ragged sequences: bucketed by length, padded with zeros, with their lengths beside them.

Shape suffixes: B batch, T time, C features.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from models.data import Split

Frames = npt.NDArray[Any]
FRAME_BUDGET = 32_768  # padded frames of a batch without gradients: bounds memory where texts are long
JITTER = 0.15  # share of a length that sorting forgets, so that epochs differ in who shares a batch


@dataclass(frozen=True, kw_only=True)
class Batch:
    """`x` is [B, T, C] float32 or [B, T] int64; row b's first `length[b]` frames are valid, the others zero."""

    x: Tensor
    length: Tensor
    labels: Tensor


def collate(sequences: Sequence[Frames], labels: Sequence[int] | npt.NDArray[np.int64]) -> Batch:
    """Pad sequences with zeros to the longest of them."""
    lengths = [len(sequence) for sequence in sequences]
    padded = np.zeros((len(sequences), max(lengths), *sequences[0].shape[1:]), dtype=sequences[0].dtype)
    for row, sequence in zip(padded, sequences, strict=True):
        row[: len(sequence)] = sequence
    return Batch(
        x=torch.from_numpy(padded),
        length=torch.tensor(lengths, dtype=torch.int64),
        labels=torch.from_numpy(np.asarray(labels, dtype=np.int64)),
    )


def training_batches(split: Split, size: int, rng: np.random.Generator, window: int = 0) -> Iterator[Batch]:
    """Yield one epoch in random order, up to `size` sequences of about one length a batch.

    Every sequence comes once; with a `window`, longer ones come as ceil(length / window) random crops of that length.
    """
    items, labels = _crops(split, window, rng) if window else (split.sequences, split.labels)
    lengths = np.array([len(item) for item in items])
    order = np.argsort(lengths * (1 + JITTER * rng.random(len(items))), kind="stable")
    # Sizes differ by one at most: a small rest would give BatchNorm moments of a few rows, always the longest ones.
    buckets = np.array_split(order, -(-len(order) // size))
    for bucket in rng.permutation(len(buckets)):
        chosen = buckets[bucket]
        yield collate([items[index] for index in chosen], labels[chosen])


def whole_batches(split: Split) -> Iterator[tuple[npt.NDArray[np.int64], Batch]]:
    """Yield (indices, batch) over all whole sequences, shortest first, within a budget of padded frames."""
    lengths = np.array([len(sequence) for sequence in split.sequences])
    order = np.argsort(lengths, kind="stable")
    first = 0
    while first < len(order):
        last = first + 1
        while last < len(order) and (last - first + 1) * lengths[order[last]] <= FRAME_BUDGET:
            last += 1
        chosen = order[first:last]
        yield chosen, collate([split.sequences[index] for index in chosen], split.labels[chosen])
        first = last


def _crops(split: Split, window: int, rng: np.random.Generator) -> tuple[list[Frames], npt.NDArray[np.int64]]:
    crops: list[Frames] = []
    labels: list[int] = []
    for sequence, label in zip(split.sequences, split.labels, strict=True):
        for _ in range(-(-len(sequence) // window)):
            start = int(rng.integers(max(len(sequence) - window, 0) + 1))
            crops.append(sequence[start : start + window])
            labels.append(int(label))
    return crops, np.array(labels, dtype=np.int64)
