"""The pace of one version: how long its runs take, and how soon one answer follows another."""

from __future__ import annotations

import time

from service.serving.batcher.moving_average import MovingAverage, averaged

# Nobody is refused for a single measurement.
_KNOWN = 2


class Pace:
    """Moving averages: seconds of a run and rows in it, and seconds between two answers while more wait."""

    def __init__(self) -> None:
        self._run_seconds = MovingAverage()
        self._rows = 0.0
        self._answer_seconds = MovingAverage()
        self._answers = 0
        self._since: float | None = None

    @property
    def run_seconds(self) -> float:
        """Return how long a run takes, 0 before the first."""
        return self._run_seconds.value

    @property
    def known_run_seconds(self) -> float:
        """Return the same as soon as it is known well enough to refuse somebody for it, and 0 until then."""
        return _known(self._run_seconds)

    def ran(self, seconds: float, rows: int, answers: int, *, more_wait: bool) -> None:
        """Add a run that has ended with `answers` answers. Time in which nothing waits is not measured."""
        self._run_seconds.add(seconds)
        self._rows = averaged(self._rows, rows)
        now = time.monotonic()
        self._answers += answers
        if self._since is not None and self._answers:
            self._answer_seconds.add((now - self._since) / self._answers)
        if self._since is None or self._answers or not more_wait:
            self._since = now if more_wait else None
            self._answers = 0

    def expected_seconds(self, ahead: int, max_rows: int) -> float:
        """Return the time to an answer with `ahead` others before it, if they fill runs of `max_rows`.

        What is not known yet takes no time.
        """
        return ahead * _known(self._answer_seconds) * min(1.0, self._rows / max_rows) + self.known_run_seconds


def _known(average: MovingAverage) -> float:
    return average.value if average.count >= _KNOWN else 0.0
