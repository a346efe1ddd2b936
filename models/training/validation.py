"""The cut of a training split into a training part and a validation part."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from models.data import Dataset, Split
from models.training.recipes import recipe

IntArray = npt.NDArray[np.int64]


def parts(dataset: Dataset, architecture: str, rng: np.random.Generator) -> tuple[Split, Split]:
    """Return (training part, validation part) as training draws them: first of all, from a generator of its seed."""
    return divide(dataset.train, recipe(dataset.name, architecture).validation, rng)


def divide(split: Split, share: float, rng: np.random.Generator) -> tuple[Split, Split]:
    """Return (training part, validation part). What shares a group stays together; every label keeps a training part.

    Stratified by label where each group has one label. Where groups span labels (an article in many languages), whole
    groups are drawn. A split too small to be divided is its own validation part.
    """
    groups = split.groups if len(split.groups) else np.arange(len(split), dtype=np.int64)
    pairs = np.unique(np.stack([groups, split.labels]), axis=1)
    one_label = len(np.unique(groups)) == pairs.shape[1]
    strata = [pairs[0][pairs[1] == label] for label in np.unique(pairs[1])] if one_label else [np.unique(groups)]
    held = np.isin(groups, np.concatenate([_drawn(stratum, share, rng) for stratum in strata]))
    if not held.any() or len(np.unique(split.labels[~held])) < len(np.unique(split.labels)):
        return split, split
    return split.select(np.flatnonzero(~held)), split.select(np.flatnonzero(held))


def _drawn(groups: IntArray, share: float, rng: np.random.Generator) -> IntArray:
    count = min(round(share * len(groups)), len(groups) - 1)
    return rng.permutation(groups)[:count]
