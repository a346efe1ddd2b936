"""What a data set is: a task, a training split and a held-out split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from models.config import TaskSpec

IntArray = npt.NDArray[np.int64]


def _none() -> IntArray:
    return np.zeros(0, dtype=np.int64)


@dataclass(frozen=True, kw_only=True)
class Split:
    """Sequences of one split, in a fixed order.

    `sequences[i]` is [time, feature_count] float32 or [time] int64 tokens; `labels[i]` indexes the task's labels.
    `groups[i]` is what the split keeps together (an article's number; else the recording's own number) and
    `characters[i]` the length of a text; both are empty where nobody gave them.
    """

    sequences: list[npt.NDArray[Any]]
    labels: IntArray
    groups: IntArray = field(default_factory=_none)
    characters: IntArray = field(default_factory=_none)

    def __len__(self) -> int:
        return len(self.sequences)

    def select(self, indices: Sequence[int] | IntArray) -> Split:
        """Split of the sequences at `indices`, in that order."""
        chosen = np.asarray(indices, dtype=np.int64)
        return Split(
            sequences=[self.sequences[index] for index in chosen],
            labels=self.labels[chosen],
            groups=self.groups[chosen] if len(self.groups) else self.groups,
            characters=self.characters[chosen] if len(self.characters) else self.characters,
        )


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """A task with its two splits; `sha256` identifies the file they were read from (data/SHA256SUMS)."""

    name: str
    spec: TaskSpec
    train: Split
    test: Split
    sha256: str
