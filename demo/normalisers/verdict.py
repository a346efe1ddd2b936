"""What must hold of the headline, written before it was ever measured.

Every answer was made in the company it is counted under, and every row alone is as right as its file was offline.
LayerNorm and BatchNorm with running statistics, right or wrong ones, change nothing: not a bit. The control, which
takes the statistics of the batch at hand, changes something.
"""

from __future__ import annotations

from collections.abc import Sequence

from demo.normalisers.result import NormaliserResult
from demo.normalisers.variants import CURRENT, LAYER, RUNNING

_MUST_BE_THERE = {LAYER, RUNNING, CURRENT}


def failures(rows: Sequence[NormaliserResult]) -> list[str]:
    """Return everything that does not hold; empty when the point was shown."""
    missing = sorted(_MUST_BE_THERE - {row.kind for row in rows})
    found = [f"not shown: {kind} was not measured" for kind in missing]
    for row in rows:
        found += _was_measured(row) + (_changes_something(row) if row.kind == CURRENT else _changes_nothing(row))
    return found


def _was_measured(row: NormaliserResult) -> list[str]:
    found = [
        f"not shown: {row.name}, {each.name}: {each.missed} of {row.sequences} answers had not that company"
        for each in row.conditions
        if each.missed
    ]
    if row.offline_sequences != row.sequences:
        found.append(f"{row.name}: measured offline on {row.offline_sequences} sequences, served {row.sequences}")
    elif row.alone.correct != row.correct_offline:
        found.append(f"{row.name}: {row.alone.correct} right alone, {row.correct_offline} offline")
    return found


def _changes_nothing(row: NormaliserResult) -> list[str]:
    if not row.bits_differ and not row.class_differs:
        return []
    return [f"{row.name}: {row.bits_differ} answers have other bits in company, {row.class_differs} another class"]


def _changes_something(row: NormaliserResult) -> list[str]:
    if row.bits_differ:
        return []
    return [f"not shown: {row.name}: no answer has other bits in company, though it reads the batch"]
