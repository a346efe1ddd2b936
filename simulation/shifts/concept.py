"""Owns the shift of what labels mean: the frames stay, the truth about them changes."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from simulation.shifts.span import CONFIG, Span


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
