"""The shifts that leave every frame as it is: which sequences come, how often, and which class is true of them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field
from pydantic.dataclasses import dataclass

from models.data import Split
from simulation.shifts.span import CONFIG, Span

Array = npt.NDArray[Any]
Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Ratio = Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class MixShift(Span):
    """Makes some sequences come more often than others."""

    @abstractmethod
    def weighed(self, split: Split, labels: Sequence[str]) -> Array:
        """Return a weight ≥ 0 for each sequence, 1 being usual. Raises ValueError for a label that isn't there."""


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Classes(MixShift):
    """Classes by name with their weights; those not named keep weight 1."""

    kind: Literal["classes"] = "classes"
    weights: dict[str, Weight]

    def weighed(self, split: Split, labels: Sequence[str]) -> Array:
        """Weigh each sequence by its class."""
        if unknown := sorted(self.weights.keys() - set(labels)):
            raise ValueError(f"no such label: {', '.join(unknown)}; there are {', '.join(labels)}")
        by_index: Array = np.array([self.weights.get(label, 1.0) for label in labels])
        weighed: Array = by_index[split.labels]
        return weighed


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Lengths(MixShift):
    """Only sequences whose length lies between two quantiles: 0 to 0.25 is the shortest quarter."""

    kind: Literal["lengths"] = "lengths"
    least_quantile: Ratio = 0.0
    most_quantile: Ratio = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.least_quantile > self.most_quantile:
            raise ValueError("least_quantile is above most_quantile")

    def weighed(self, split: Split, labels: Sequence[str]) -> Array:  # noqa: ARG002
        """Weigh those within 1, the others 0."""
        lengths = np.array([len(sequence) for sequence in split.sequences])
        least, most = np.quantile(lengths, (self.least_quantile, self.most_quantile), method="nearest")
        within: Array = ((lengths >= least) & (lengths <= most)).astype(np.float64)
        return within


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Concept(Span):
    """A share of the classes change places in a circle: no confidence can know, only labels can."""

    kind: Literal["concept"] = "concept"
    classes_ratio: Annotated[float, Field(gt=0, le=1)] = 1.0

    def permutation(self, classes: int, seed: int) -> list[int]:
        """Return what each class becomes; which ones are chosen depends on `seed` only. One class alone stays."""
        rng = np.random.default_rng(seed)
        chosen = rng.permutation(classes)[: round(self.classes_ratio * classes)]
        becomes = np.arange(classes)
        becomes[chosen] = np.roll(chosen, 1)
        return [int(index) for index in becomes]
