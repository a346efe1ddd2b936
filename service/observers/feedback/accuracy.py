"""The accuracy of answers: its interval, coverage, an estimate, calibration error, and slices."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

ALL = "all"

_FRAMES = (1, 16, 64, 256, 1024)
BINS = 15
_Z = 1.959963984540054  # two-sided 95 %


@dataclass(frozen=True)
class Slice:
    """A slice: ranges of a count; `starts` are the first value of each, from 1."""

    name: str
    starts: tuple[int, ...]

    def bucket(self, number: int) -> str:
        """Return the name of a range: "16-63", "1024+", or its only value."""
        first = self.starts[number]
        if number + 1 == len(self.starts):
            return f"{first}+"
        last = self.starts[number + 1] - 1
        return str(first) if first == last else f"{first}-{last}"

    def number(self, count: int) -> int:
        """Return the number of the range of a count."""
        return max(0, bisect_right(self.starts, count) - 1)

    def sql(self, expression: str) -> str:
        """Return `number` as SQL."""
        cases = " ".join(f"WHEN {expression} < {start} THEN {number}" for number, start in enumerate(self.starts[1:]))
        return f"CASE {cases} ELSE {len(self.starts) - 1} END"


LENGTH = Slice("length", _FRAMES)
POSITION = Slice("position", _FRAMES)
BATCH = Slice("batch", (1, 2, 8, 32))
SLICES = (LENGTH, POSITION, BATCH)


class Interval(NamedTuple):
    """Bounds of a share."""

    low: float
    high: float


@dataclass(kw_only=True)
class Bin:
    """Labels whose answers had a confidence within one range."""

    labels: int = 0
    correct: int = 0
    confidence_sum: float = 0.0


@dataclass(kw_only=True)
class Tally:
    """The counts of some answers, labelled or not. `bins` are of labels by calibrated confidence, if there is one."""

    answers: int = 0
    confident_answers: int = 0
    confidence_sum: float = 0.0
    labelled_answers: int = 0
    labelled_sequences: int = 0
    labels: int = 0
    correct: int = 0
    bins: dict[int, Bin] = field(default_factory=dict)

    @property
    def accuracy(self) -> float | None:
        """Return the share of the labels that agree with the answer."""
        return self.correct / self.labels if self.labels else None

    @property
    def interval(self) -> Interval | None:
        """Return the bounds of the accuracy. Labels of one sequence aren't independent, so they count as one."""
        return wilson(self.correct / self.labels, self.labelled_sequences) if self.labels else None

    @property
    def coverage(self) -> float:
        """Return the share of the answers that have a label."""
        return self.labelled_answers / self.answers if self.answers else 0.0

    @property
    def estimated_accuracy(self) -> float | None:
        """Return the mean calibrated confidence: it is the accuracy if the confidence is right for this traffic."""
        return self.confidence_sum / self.confident_answers if self.confident_answers else None

    @property
    def calibration_error(self) -> float | None:
        """Return the expected calibration error (Naeini et al., 2015): mean |accuracy - confidence| over bins."""
        labels = sum(bin_.labels for bin_ in self.bins.values())
        distance = sum(abs(bin_.correct - bin_.confidence_sum) for bin_ in self.bins.values())
        return distance / labels if labels else None


@dataclass(kw_only=True)
class VersionTally:
    """One version in one window: its tallies by (slice, bucket), and labels by (true class, predicted class)."""

    class_count: int = 0
    tallies: dict[tuple[str, str], Tally] = field(default_factory=dict)
    confusion: Counter[tuple[str, str]] = field(default_factory=Counter)

    def of(self, slice_name: str, bucket: str) -> Tally:
        """Return the tally of one bucket, to add to."""
        return self.tallies.setdefault((slice_name, bucket), Tally())


def wilson(share: float, count: int) -> Interval:
    """Return the 95 % score interval of a share in `count` ≥ 1 independent trials (Wilson, 1927)."""
    scale = 1 + _Z**2 / count
    middle = (share + _Z**2 / (2 * count)) / scale
    reach = _Z / scale * math.sqrt(share * (1 - share) / count + _Z**2 / (4 * count**2))
    return Interval(max(0.0, middle - reach), min(1.0, middle + reach))
