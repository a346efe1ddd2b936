"""The pace of one version: how long its runs take, and how soon one answer follows another."""

from __future__ import annotations

import time

# The weight of the newest measurement, and the cap on it as a multiple of the average: one long run changes little.
_WEIGHT = 0.1
_MOST = 4.0


class Pace:
    """Moving averages: seconds of a run and rows in it, and seconds between two answers while more wait."""

    def __init__(self) -> None:
        self.run_seconds = 0.0
        self._rows = 0.0
        self._answer_seconds = 0.0
        self._answers = 0
        self._since: float | None = None

    def ran(self, seconds: float, rows: int, answers: int, *, more_wait: bool) -> None:
        """Add a run that has ended with `answers` answers. Time in which nothing waits is not measured."""
        self.run_seconds = _averaged(self.run_seconds, seconds)
        self._rows = _averaged(self._rows, rows)
        now = time.monotonic()
        self._answers += answers
        if self._since is not None and self._answers:
            self._answer_seconds = _averaged(self._answer_seconds, (now - self._since) / self._answers)
        if self._since is None or self._answers or not more_wait:
            self._since = now if more_wait else None
            self._answers = 0

    def expected_seconds(self, ahead: int, max_rows: int) -> float:
        """Return the time to an answer with `ahead` others before it, if they fill runs of `max_rows`."""
        return ahead * self._answer_seconds * min(1.0, self._rows / max_rows) + self.run_seconds


def _averaged(before: float, now: float) -> float:
    if not before:
        return now
    return before + _WEIGHT * ((now if now < _MOST * before else _MOST * before) - before)
