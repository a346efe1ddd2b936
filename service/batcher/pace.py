"""How fast one model answers, measured while it does: what a deadline can be held against."""

from __future__ import annotations

import time

# Share of the newest measurement, which counts as at most so many times the average: one long run changes little.
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
        """Take in a run that has ended, which gave so many answers; time in which nothing waits tells nothing."""
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
        """Tell how long an answer takes behind so many others, if they fill runs of `max_rows`."""
        return ahead * self._answer_seconds * min(1.0, self._rows / max_rows) + self.run_seconds


def _averaged(before: float, now: float) -> float:
    return before + _WEIGHT * (min(now, _MOST * before) - before) if before else now
