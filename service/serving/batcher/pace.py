"""The pace of one version: how long its runs take, and how soon one answer follows another."""

from __future__ import annotations

import time

# The weight of the newest measurement, and the cap on it as a multiple of the average: one long run changes little.
_WEIGHT = 0.1
_MOST = 4.0
# A server that has just started is slower than it will be: an average begins as the least of the first measurements,
# and nobody is refused for a single one.
_FIRST = 8
_KNOWN = 2


class Pace:
    """Moving averages: seconds of a run and rows in it, and seconds between two answers while more wait."""

    def __init__(self) -> None:
        self._run = _Average()
        self._rows = 0.0
        self._answer = _Average()
        self._answers = 0
        self._since: float | None = None

    @property
    def run_seconds(self) -> float:
        """Return how long a run takes, 0 before the first."""
        return self._run.seconds

    @property
    def known_run_seconds(self) -> float:
        """Return the same as soon as it is known well enough to refuse somebody for it, and 0 until then."""
        return self._run.known_seconds

    def ran(self, seconds: float, rows: int, answers: int, *, more_wait: bool) -> None:
        """Add a run that has ended with `answers` answers. Time in which nothing waits is not measured."""
        self._run.add(seconds)
        self._rows = _averaged(self._rows, rows)
        now = time.monotonic()
        self._answers += answers
        if self._since is not None and self._answers:
            self._answer.add((now - self._since) / self._answers)
        if self._since is None or self._answers or not more_wait:
            self._since = now if more_wait else None
            self._answers = 0

    def expected_seconds(self, ahead: int, max_rows: int) -> float:
        """Return the time to an answer with `ahead` others before it, if they fill runs of `max_rows`.

        What is not known yet takes no time.
        """
        return ahead * self._answer.known_seconds * min(1.0, self._rows / max_rows) + self._run.known_seconds


class _Average:
    """A moving average of times, in seconds; 0 before the first, and `known_seconds` before the second, too."""

    __slots__ = ("_count", "seconds")

    def __init__(self) -> None:
        self._count = 0
        self.seconds = 0.0

    @property
    def known_seconds(self) -> float:
        return self.seconds if self._count >= _KNOWN else 0.0

    def add(self, seconds: float) -> None:
        if self._count < _FIRST:
            self._count += 1
            if self._count == 1 or seconds < self.seconds:
                self.seconds = seconds
        else:
            self.seconds = _averaged(self.seconds, seconds)


def _averaged(before: float, now: float) -> float:
    if not before:
        return now
    return before + _WEIGHT * ((now if now < _MOST * before else _MOST * before) - before)
