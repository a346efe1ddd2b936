"""The sampled sequences of a recalibration, in order of time: the earlier half estimates, the later judges."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from export.errors import ExportError

if TYPE_CHECKING:
    from soloist.sampled_sequences import SampledSequence


@dataclass(frozen=True, kw_only=True)
class Halves:
    """Neighbours in time may be alike, so the cut goes through time and not through the list at random."""

    estimate: Sequence[SampledSequence]
    judge: Sequence[SampledSequence]


def newest(sampled: Sequence[SampledSequence], seconds: float) -> list[SampledSequence]:
    """Leave out what began more than so many seconds before the newest: statistics of two kinds of traffic fit none."""
    last = max((each.first_seen_seconds for each in sampled), default=0.0)
    return [each for each in sampled if each.first_seen_seconds >= last - seconds]


def halves(sampled: Sequence[SampledSequence]) -> Halves:
    """Cut a sample in two. Raises ExportError when it is too small for that."""
    if len(sampled) < 2:
        raise ExportError(f"a sample of {len(sampled)} sequences can't be halved")
    ordered = sorted(sampled, key=lambda each: each.first_seen_seconds)
    middle = len(ordered) // 2
    return Halves(estimate=ordered[:middle], judge=ordered[middle:])
