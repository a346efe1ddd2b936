"""Counts and durations of every version since the server started: requests, rows and runs, in nanoseconds.

Kept beside the metrics, because the Open Inference Protocol asks for sums over all its batch sizes, exactly.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from service.engine.runner import RunSeconds
    from service.loading.servable import Servable
    from service.serving.batcher import Answer


@dataclass(slots=True)
class Duration:
    """How often something happened, and how long it took in all."""

    count: int = 0
    ns: int = 0

    def add(self, seconds: float) -> None:
        """Count one more."""
        self.count += 1
        self.ns += round(seconds * 1e9)


@dataclass(slots=True)
class RunStatistics:
    """Runs of one batch size: putting rows together, running the graph, taking answers apart."""

    gather: Duration = field(default_factory=Duration)
    graph: Duration = field(default_factory=Duration)
    scatter: Duration = field(default_factory=Duration)


@dataclass(slots=True)
class VersionStatistics:
    """One version: requests by outcome, where the time of those answered went, rows answered, runs by batch size."""

    success: Duration = field(default_factory=Duration)
    fail: Duration = field(default_factory=Duration)
    queue: Duration = field(default_factory=Duration)
    input: Duration = field(default_factory=Duration)
    infer: Duration = field(default_factory=Duration)
    output: Duration = field(default_factory=Duration)
    rows: int = 0
    last_request_ms: int = 0
    runs: dict[int, RunStatistics] = field(default_factory=dict)


class Statistics:
    """By name and version. Belongs to the event loop."""

    def __init__(self, is_listed: Callable[[str, int], bool] = lambda _name, _version: True) -> None:
        """Args: `is_listed` tells whether a version is in the repository; nothing is kept of others."""
        self._versions: dict[tuple[str, int], VersionStatistics] = {}
        self._is_listed = is_listed

    def of(self, servable: Servable) -> VersionStatistics:
        """Return the counts of one version, all zero at first."""
        key = (servable.name, servable.version)
        found = self._versions.get(key)
        if found is None:
            found = VersionStatistics()
            if self._is_listed(*key):  # its last answer may come after it has gone
                self._versions[key] = found
        return found

    def forget(self, name: str, version: int) -> None:
        """Forget a version that has left the repository."""
        self._versions.pop((name, version), None)

    def ran(self, servable: Servable, rows: int, seconds: RunSeconds) -> None:
        """Count one run of the graph."""
        run = self.of(servable).runs.setdefault(rows, RunStatistics())
        run.gather.add(seconds.gather)
        run.graph.add(seconds.graph)
        run.scatter.add(seconds.scatter)

    def succeeded(
        self,
        servable: Servable,
        answers: Sequence[Answer],
        *,
        seconds: float,
        decode_seconds: float = 0.0,
        encode_seconds: float = 0.0,
    ) -> None:
        """Count one request that was answered with at least one row, `seconds` after it came.

        Rows of one request run side by side; its time is that of the row that took longest.
        """
        counts = self.of(servable)
        slowest = max(answers, key=lambda answer: answer.queue_seconds + answer.compute_seconds)
        counts.success.add(seconds)
        counts.queue.add(slowest.queue_seconds)
        counts.input.add(decode_seconds + slowest.run.gather)
        counts.infer.add(slowest.run.graph)
        counts.output.add(encode_seconds + slowest.run.scatter)
        counts.rows += len(answers)
        counts.last_request_ms = time.time_ns() // 1_000_000

    def failed(self, servable: Servable, *, seconds: float) -> None:
        """Count one request that was refused, failed or given up."""
        counts = self.of(servable)
        counts.fail.add(seconds)
        counts.last_request_ms = time.time_ns() // 1_000_000
