"""A small data set whose every number can be told apart."""

from __future__ import annotations

import numpy as np
import pytest

from models.config import TaskSpec
from models.data import Dataset, Split
from tests.unit.bench.conftest import FakeClock

LABELS = ("a", "b", "c", "d")
CHANNELS = 3


@pytest.fixture
def dataset() -> Dataset:
    """Forty sequences of 5 to 44 frames; sequence n has class n % 4, and its first number is n."""
    rng = np.random.default_rng(0)
    sequences = []
    for number in range(40):
        frames = rng.normal(size=(5 + number, CHANNELS)).astype(np.float32)
        frames[0, 0] = number
        sequences.append(frames)
    split = Split(sequences=sequences, labels=np.arange(40) % len(LABELS))
    spec = TaskSpec(name="toy", frames="features", feature_count=CHANNELS, labels=LABELS)
    return Dataset(name="toy", spec=spec, train=split, test=split, sha256="")


@pytest.fixture
def tokens() -> Dataset:
    """Two texts."""
    split = Split(sequences=[np.arange(6), np.arange(9)], labels=np.array([0, 1]))
    spec = TaskSpec(name="texts", frames="tokens", token_count=9, labels=("x", "y"))
    return Dataset(name="texts", spec=spec, train=split, test=split, sha256="")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()
