"""What the plot of a claim shows, as data: the report draws it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Series:
    """One line, or one colour of bars; `low` and `high` are the ends of 95 % intervals, where there are any."""

    name: str
    y: Sequence[float]
    low: Sequence[float] = ()
    high: Sequence[float] = ()


@dataclass(frozen=True, kw_only=True)
class Chart:
    """Series over a shared axis. `x` are numbers for lines, names for bars. Every text can be translated."""

    x_label: str
    y_label: str
    x: Sequence[float] | Sequence[str]
    series: Sequence[Series]
    kind: Literal["lines", "bars"] = "lines"
    log_x: bool = False
    log_y: bool = False
    percent: bool = False  # y is a share
