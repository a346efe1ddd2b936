"""When a shift is there, and how strongly."""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

CONFIG = ConfigDict(extra="forbid", allow_inf_nan=True)
Seconds = Annotated[float, Field(ge=0)]


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Span:
    """From `begin_seconds` to `end_seconds`, and grown to its full strength `ramp_seconds` after its begin."""

    begin_seconds: Seconds = 0.0
    ramp_seconds: Seconds = 0.0
    end_seconds: Seconds = math.inf

    def __post_init__(self) -> None:
        if not self.begin_seconds + self.ramp_seconds <= self.end_seconds:
            raise ValueError("it ends before it has begun and grown")

    def strength(self, at_seconds: float) -> float:
        """Return the strength at a time, 0 to 1."""
        if not self.begin_seconds <= at_seconds < self.end_seconds:
            return 0.0
        grown_seconds = at_seconds - self.begin_seconds
        return 1.0 if grown_seconds >= self.ramp_seconds else grown_seconds / self.ramp_seconds

    @property
    def edges(self) -> tuple[float, ...]:
        """Times at which something begins, is full-grown or ends."""
        return self.begin_seconds, self.begin_seconds + self.ramp_seconds, self.end_seconds
