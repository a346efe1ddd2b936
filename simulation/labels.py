"""When labels come, and whether they are what they should be."""

from __future__ import annotations

import math
from dataclasses import dataclass as plain_dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from simulation.shifts import CONFIG

Ratio = Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class LabelPolicy:
    """How labels follow answers.

    `delay` is a distribution of mean `mean_seconds`; `sigma` is the spread of the logarithm where it is lognormal. Of
    all labels, `missing_ratio` never come, `repeated_ratio` come twice and `contradictory_ratio` are followed by
    another, wrong one.
    """

    delay: Literal["constant", "exponential", "lognormal"] = "lognormal"
    mean_seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 5.0
    sigma: Annotated[float, Field(gt=0, le=5)] = 1.0
    missing_ratio: Ratio = 0.0
    repeated_ratio: Ratio = 0.0
    contradictory_ratio: Ratio = 0.0

    def __post_init__(self) -> None:
        if self.missing_ratio + self.repeated_ratio + self.contradictory_ratio > 1:
            raise ValueError("missing, repeated and contradictory labels are more than all")

    def delay_seconds(self, rng: np.random.Generator) -> float:
        """Draw one delay."""
        match self.delay:
            case "constant":
                return self.mean_seconds
            case "exponential":
                return float(rng.exponential(self.mean_seconds))
            case "lognormal":
                # exp(N(m, s²)) has mean exp(m + s²/2)
                normal = rng.normal(-(self.sigma**2) / 2, self.sigma)
                return self.mean_seconds * math.exp(normal)


@plain_dataclass(frozen=True, kw_only=True)
class PlannedLabel:
    """A class that will be reported so long after the answer."""

    delay_seconds: float
    class_index: int


def planned(policy: LabelPolicy, truth: int, classes: int, rng: np.random.Generator) -> tuple[PlannedLabel, ...]:
    """Draw what will be reported of one answer, in the order of time."""
    first_seconds, kind = policy.delay_seconds(rng), rng.random()
    again_seconds = first_seconds + policy.delay_seconds(rng)
    wrong = (truth + int(rng.integers(1, max(classes, 2)))) % classes
    first = PlannedLabel(delay_seconds=first_seconds, class_index=truth)
    if kind < policy.missing_ratio:
        return ()
    if kind < policy.missing_ratio + policy.repeated_ratio:
        return first, PlannedLabel(delay_seconds=again_seconds, class_index=truth)
    if kind < policy.missing_ratio + policy.repeated_ratio + policy.contradictory_ratio:
        return first, PlannedLabel(delay_seconds=again_seconds, class_index=wrong)
    return (first,)
