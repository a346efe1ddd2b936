"""What was measured: latencies in HDR histograms, errors by reason, and how late the generator itself was."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from hdrh.histogram import HdrHistogram

_LONGEST_MICROSECONDS = 3_600_000_000
_SIGNIFICANT_DIGITS = 3
CURVE_PERCENTILES = (0.0, 1.0, 5.0, *range(10, 100, 5), 96.0, 97.0, 98.0, 99.0, 99.5, 99.9, 100.0)


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
    """Times from a microsecond to an hour, to three significant digits."""

    def __init__(self) -> None:
        self._counts = HdrHistogram(1, _LONGEST_MICROSECONDS, _SIGNIFICANT_DIGITS)

    def __getstate__(self) -> bytes:
        """Return the counts in the format of HDR histograms, so that one process can send them to another."""
        return bytes(self._counts.encode())

    def __setstate__(self, encoded: bytes) -> None:
        """Take the counts over."""
        self._counts = HdrHistogram.decode(encoded)

    def merge(self, other: Histogram) -> None:
        """Add everything that another has counted."""
        self._counts.add(other._counts)  # of the same class

    def add(self, seconds: float) -> None:
        """Count one; what is out of range counts as the nearest that is in it."""
        self._counts.record_value(min(max(round(seconds * 1e6), 1), _LONGEST_MICROSECONDS))

    def percentile_ms(self, percentile: float) -> float:
        """Return the time that so many percent do not exceed."""
        return float(self._counts.get_value_at_percentile(percentile)) / 1e3 if self.count else 0.0

    @property
    def count(self) -> int:
        """Number of times counted."""
        return int(self._counts.get_total_count())

    def latency(self) -> Latency:
        """Sum up."""
        return Latency(
            count=self.count,
            mean_ms=float(self._counts.get_mean_value()) / 1e3 if self.count else 0.0,
            p50_ms=self.percentile_ms(50.0),
            p90_ms=self.percentile_ms(90.0),
            p99_ms=self.percentile_ms(99.0),
            p999_ms=self.percentile_ms(99.9),
            max_ms=self.percentile_ms(100.0),
            curve=[(float(percentile), self.percentile_ms(percentile)) for percentile in CURVE_PERCENTILES],
        )


class Recorder:
    """What one run has seen so far. Every latency counts from the time a request was due, not from when it left.

    Only what was answered has a latency; what failed is counted by its reason.
    """

    def __init__(self) -> None:
        self.sequences = Histogram()
        self.chunks = Histogram()
        self.lateness = Histogram()
        self.errors: Counter[str] = Counter()
        self.error_codes: Counter[str] = Counter()
        self.deadline_misses = 0
        self.frame_count = 0

    def left(self, *, due_seconds: float, now_seconds: float) -> None:
        """Count a request that the generator begins with now."""
        self.lateness.add(now_seconds - due_seconds)

    def answered(self, frame_count: int, *, due_seconds: float, now_seconds: float) -> None:
        """Count a whole sequence whose last answer has come."""
        self.sequences.add(now_seconds - due_seconds)
        self.frame_count += frame_count

    def chunk_answered(self, *, due_seconds: float, now_seconds: float, interval_seconds: float = 0.0) -> None:
        """Count the answer to one chunk of a stream; with an interval, it misses its deadline after so long."""
        self.chunks.add(now_seconds - due_seconds)
        self.deadline_misses += bool(interval_seconds) and now_seconds - due_seconds > interval_seconds

    def failed(self, reason: str, code: str | None = None) -> None:
        """Count a request that got no answer; one that was never sent has no status code."""
        self.errors[reason] += 1
        if code is not None:
            self.error_codes[code] += 1

    def merge(self, other: Recorder) -> None:
        """Add everything that the recorder of another process has seen."""
        self.sequences.merge(other.sequences)
        self.chunks.merge(other.chunks)
        self.lateness.merge(other.lateness)
        self.errors.update(other.errors)
        self.error_codes.update(other.error_codes)
        self.deadline_misses += other.deadline_misses
        self.frame_count += other.frame_count
