"""What is said of a claim: a verdict, the figures it rests on, and the control that had to come out the other way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from claims.chart import Chart


class Verdict(StrEnum):
    """The four that there are."""

    SUPPORTED = "supported"
    REFUTED = "refuted"
    DEPENDS = "depends"
    NOT_SHOWN = "not shown at this scale"


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A measured number with the ends of its 95 % interval; both are None where there is nothing to estimate."""

    name: str
    value: float
    low: float | None = None
    high: float | None = None
    unit: str = ""  # "points" of percent, "×", "bits", "bytes"; "" for a plain number


@dataclass(frozen=True, kw_only=True)
class Control:
    """A case in which the experiment has to come out the other way. Where it doesn't, the experiment shows nothing."""

    figure: Figure
    held: bool


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What a rule makes of the figures of all seeds.

    `reason` names the sentence of the claim's text that says why; `values` are filled into it, beside the figures.
    """

    verdict: Verdict
    reason: str
    key: Figure
    control: Control
    figures: Sequence[Figure] = ()
    chart: Chart | None = None
    values: dict[str, str | float] = field(default_factory=dict)
