"""Small made-up data sets: each trains in a moment."""

from __future__ import annotations

import numpy as np
import pytest

from models.config import TaskSpec
from models.data import Dataset, Split

LABELS = ("falls", "rises")


def ramps(rng: np.random.Generator, count: int) -> Split:
    """Noisy ramps of two channels and 3 to 9 frames; the sign of the slope is the label, the offset is far from 0."""
    labels = np.arange(count, dtype=np.int64) % 2
    sequences = []
    for label in labels:
        frames = int(rng.integers(3, 10))
        slope = np.linspace(-1, 1, frames) * (2 * label - 1)
        channels = np.stack([slope, 2 * slope], axis=1) + rng.normal(size=(frames, 2)) / 4
        sequences.append((5 * channels + [40, -7]).astype(np.float32))
    return Split(sequences=sequences, labels=labels, groups=np.arange(count, dtype=np.int64))


@pytest.fixture(scope="session")
def dataset() -> Dataset:
    rng = np.random.default_rng(0)
    spec = TaskSpec(name="ramps", frames="features", feature_count=2, labels=LABELS)
    return Dataset(name="ramps", spec=spec, train=ramps(rng, 40), test=ramps(rng, 20), sha256="0" * 64)
