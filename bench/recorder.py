"""What was measured: latencies in HDR histograms, errors by reason, and how late the generator itself was."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from hdrh.histogram import HdrHistogram

_LONGEST_MICROSECONDS = 3_600_000_000
_SIGNIFICANT_DIGITS = 3
_EXACT_BITS = 10  # three digits
_MOST_KEPT = 2_000_000
CURVE_PERCENTILES = (0.0, 1.0, 5.0, *range(10, 100, 5), 96.0, 97.0, 98.0, 99.0, 99.5, 99.9, 99.99, 100.0)


@dataclass(frozen=True, kw_only=True)
class Latency:
    """A distribution in milliseconds; all zero when nothing was counted. `curve` is [percentile, milliseconds]."""

    count: int
    mean_ms: float
    p50_ms: float
    p90_ms: float
    p99_ms: float
    p999_ms: float
    max_ms: float
    curve: list[tuple[float, float]]


class Histogram:
    """Times from a microsecond to an hour, to three significant digits.

    They are kept as they come, and sorted in when they are asked for: that would take time from what is measured.
    """

    def __init__(self) -> None:
        self._counts = HdrHistogram(1, _LONGEST_MICROSECONDS, _SIGNIFICANT_DIGITS)
        self._kept = array("d")

    def __getstate__(self) -> bytes:
        """Return the counts in the format of HDR histograms, so that one process can send them to another."""
        return bytes(self._sorted().encode())

    def __setstate__(self, encoded: bytes) -> None:
        """Take the counts over."""
        self._counts = HdrHistogram.decode(encoded)
        self._kept = array("d")

    def merge(self, other: Histogram) -> None:
        """Add everything that another has counted."""
        self._counts.add(other._sorted())  # of the same class

    def add(self, seconds: float) -> None:
        """Count one; what is out of range counts as the nearest that is in it."""
        self._kept.append(seconds)
        if len(self._kept) >= _MOST_KEPT:
            self._sorted()

    def percentile_ms(self, percentile: float) -> float:
        """Return the time that so many percent do not exceed."""
        return self._percentiles_ms((percentile,))[percentile]

    @property
    def count(self) -> int:
        """Number of times counted."""
        return int(self._counts.get_total_count()) + len(self._kept)

    def latency(self) -> Latency:
        """Sum up."""
        at = self._percentiles_ms((50.0, 90.0, 99.0, 99.9, 100.0, *CURVE_PERCENTILES))
        return Latency(
            count=self.count,
            mean_ms=float(self._counts.get_mean_value()) / 1e3 if self.count else 0.0,
            p50_ms=at[50.0],
            p90_ms=at[90.0],
            p99_ms=at[99.0],
            p999_ms=at[99.9],
            max_ms=at[100.0],
            curve=[(float(percentile), at[percentile]) for percentile in CURVE_PERCENTILES],
        )

    def _percentiles_ms(self, percentiles: Iterable[float]) -> dict[float, float]:
        ascending = sorted(set(percentiles))
        if not self.count:
            return dict.fromkeys(ascending, 0.0)
        values = self._sorted().get_percentile_to_value_dict(ascending)
        return {percentile: float(values[percentile]) / 1e3 for percentile in ascending}

    def _sorted(self) -> HdrHistogram:
        if self._kept:
            microseconds = np.clip(np.rint(np.array(self._kept) * 1e6), 1, _LONGEST_MICROSECONDS).astype(np.int64)
            # Rounded down to what the histogram tells apart, few different ones are left.
            units = np.left_shift(1, np.maximum(0, np.log2(microseconds).astype(np.int64) - _EXACT_BITS))
            for value, count in zip(*np.unique(microseconds // units * units, return_counts=True), strict=True):
                self._counts.record_value(int(value), int(count))
            self._kept = array("d")
        return self._counts


class Recorder:
    """What one run has seen so far. Every latency counts from the time a request was due, not from when it left.

    Only what was answered has a latency; what failed is counted by its reason.
    """

    def __init__(self) -> None:
        self.whole = Histogram()
        self.streams = Histogram()
        self.chunks = Histogram()
        self.lateness = Histogram()
        self.failures: Counter[tuple[str, str]] = Counter()  # by code and reason; "" where nothing was sent
        self.timeline: Counter[int] = Counter()  # answers, by the second after the start in which they came
        self.began_seconds = 0.0
        self.deadline_misses = 0
        self.frame_count = 0
        self.compared_count = 0
        self.differing = 0

    @property
    def sequences(self) -> Histogram:
        """Whole sequences, however they were sent."""
        both = Histogram()
        both.merge(self.whole)
        both.merge(self.streams)
        return both

    @property
    def errors(self) -> Counter[str]:
        """Failures by reason."""
        return self._failures_by(1)

    @property
    def error_codes(self) -> Counter[str]:
        """Failures by status code, without what was never sent."""
        codes = self._failures_by(0)
        del codes[""]
        return codes

    def left(self, *, due_seconds: float, now_seconds: float) -> None:
        """Count a request that the generator begins with now."""
        self.lateness.add(now_seconds - due_seconds)

    def answered(self, frame_count: int, *, due_seconds: float, now_seconds: float, streamed: bool = False) -> None:
        """Count a whole sequence whose last answer has come."""
        (self.streams if streamed else self.whole).add(now_seconds - due_seconds)
        self.timeline[int(now_seconds - self.began_seconds)] += 1
        self.frame_count += frame_count

    def compared(self, *, same: bool) -> None:
        """Count an answer that was compared to the one that the same request had alone."""
        self.compared_count += 1
        self.differing += not same

    def chunk_answered(self, *, due_seconds: float, now_seconds: float, interval_seconds: float = 0.0) -> None:
        """Count the answer to one chunk of a stream; with an interval, it misses its deadline after so long."""
        self.chunks.add(now_seconds - due_seconds)
        self.deadline_misses += bool(interval_seconds) and now_seconds - due_seconds > interval_seconds

    def failed(self, reason: str, code: str | None = None) -> None:
        """Count a request that got no answer; one that was never sent has no status code."""
        self.failures[code or "", reason] += 1

    def merge(self, other: Recorder) -> None:
        """Add everything that the recorder of another process has seen."""
        self.whole.merge(other.whole)
        self.streams.merge(other.streams)
        self.chunks.merge(other.chunks)
        self.lateness.merge(other.lateness)
        self.failures.update(other.failures)
        self.timeline.update(other.timeline)
        self.deadline_misses += other.deadline_misses
        self.frame_count += other.frame_count
        self.compared_count += other.compared_count
        self.differing += other.differing

    def _failures_by(self, part: int) -> Counter[str]:
        counted: Counter[str] = Counter()
        for failure, count in self.failures.items():
            counted[failure[part]] += count
        return counted
