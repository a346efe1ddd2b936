"""The phases of a scenario: stretches of time within which the same shifts are there, and their names."""

from __future__ import annotations

import bisect
import math
from collections.abc import Sequence
from dataclasses import fields

from simulation.shifts import Shift, Span

_SPAN = {field.name for field in fields(Span)} | {"kind"}


class Phases:
    """Time cut wherever a shift begins, is full-grown or ends; numbered from 0."""

    def __init__(self, shifts: Sequence[Shift]) -> None:
        edges = sorted({edge for shift in shifts for edge in shift.edges if 0 < edge < math.inf})
        self._edges = edges
        ends = [*edges, math.inf]
        self.names = [_name(shifts, begin, end) for begin, end in zip([0.0, *edges], ends, strict=True)]

    def number(self, at_seconds: float) -> int:
        """Return which phase a time lies in."""
        return bisect.bisect_right(self._edges, at_seconds)


def _name(shifts: Sequence[Shift], begin: float, end: float) -> str:
    if end < math.inf:
        stretch, within = f"{begin:g} to {end:g} s", (begin + end) / 2
    else:
        stretch, within = f"from {begin:g} s", begin + 1.0
    present = [_described(shift, growing=shift.strength(within) < 1) for shift in shifts if shift.strength(within) > 0]
    return f"{stretch}: {', '.join(present) or 'no shift'}"


def _described(shift: Shift, *, growing: bool) -> str:
    own = {field.name: getattr(shift, field.name) for field in fields(shift) if field.name not in _SPAN}
    settings = " ".join(f"{name}={_value(value)}" for name, value in own.items() if value is not None)
    return f"{shift.kind} {settings}{' (growing)' if growing else ''}"


def _value(value: object) -> str:
    if isinstance(value, dict):
        return ",".join(f"{label}:{weight:g}" for label, weight in value.items())
    return f"{value:g}"
