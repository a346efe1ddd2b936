"""Exact counts and sums of one version since the server started, and the metrics that are a view on them.

`ModelStatistics` of the Open Inference Protocol has the same numbers, in nanoseconds and by batch size.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from prometheus_client import Metric
from prometheus_client.registry import Collector

from service.core.metrics import VERSION, CounterFamily, Family, Start, SummaryFamily
from service.serving.batcher import Place

if TYPE_CHECKING:
    from service.engine.runner import RunSeconds
    from service.serving.batcher import Answer

PREDICTIONS = CounterFamily(
    name="soloist_predictions_total",
    text="Answers given, by the model's normaliser.",
    labels=(*VERSION, "norm"),
    start=Start.VERSION,
)
BATCH_SIZE = SummaryFamily(
    name="soloist_batch_size", text="Sequences that shared a run.", labels=VERSION, start=Start.FIRST
)
PADDING_RATIO = SummaryFamily(
    name="soloist_padding_ratio",
    text="Share of a run's frames that were padding.",
    labels=VERSION,
    start=Start.FIRST,
)
RUNS = CounterFamily(
    name="soloist_runs_total",
    text="Runs by where they happened: on a worker's thread, or on the event loop.",
    labels=("place",),
    values=tuple(Place),
    start=Start.SERVER,
)
JOINED_CHUNKS = SummaryFamily(
    name="soloist_joined_chunks",
    text="Chunks of one stream, sent ahead, that shared a run; runs of a single chunk don't count.",
    labels=VERSION,
    start=Start.FIRST,
)
FAMILIES: Final[tuple[Family, ...]] = (PREDICTIONS, BATCH_SIZE, JOINED_CHUNKS, PADDING_RATIO, RUNS)


@dataclass(slots=True)
class Duration:
    """A count of events, and their time in all."""

    count: int = 0
    seconds: float = 0.0

    @property
    def ns(self) -> int:
        """Return the time in nanoseconds."""
        return round(self.seconds * 1e9)

    def add(self, seconds: float) -> None:
        """Add one event."""
        self.count += 1
        self.seconds += seconds


@dataclass(slots=True)
class RunStatistics:
    """Runs of one batch size: the time to join rows, to run the graph, and to split answers."""

    count: int = 0
    gather_seconds: float = 0.0
    graph_seconds: float = 0.0
    scatter_seconds: float = 0.0

    @property
    def gather(self) -> Duration:
        """Return the time to join rows."""
        return Duration(self.count, self.gather_seconds)

    @property
    def graph(self) -> Duration:
        """Return the time to run the graph."""
        return Duration(self.count, self.graph_seconds)

    @property
    def scatter(self) -> Duration:
        """Return the time to split answers."""
        return Duration(self.count, self.scatter_seconds)


@dataclass(slots=True)
class VersionStatistics:
    """One version: requests by outcome, the time of those answered by phase, rows answered, runs by batch size.

    Rows are counted by the normaliser of the model, which may change when the file of the version is replaced.
    """

    answered: int = 0
    success_seconds: float = 0.0
    queue_seconds: float = 0.0
    input_seconds: float = 0.0
    infer_seconds: float = 0.0
    output_seconds: float = 0.0
    fail: Duration = field(default_factory=Duration)
    rows: dict[str, int] = field(default_factory=dict)
    last_request_ms: int = 0
    runs: dict[int, RunStatistics] = field(default_factory=dict)
    padding: float = 0.0
    joined_runs: int = 0
    joined_chunks: int = 0

    @property
    def success(self) -> Duration:
        """Return the time of requests that were answered."""
        return Duration(self.answered, self.success_seconds)

    @property
    def queue(self) -> Duration:
        """Return the part of it before the first run."""
        return Duration(self.answered, self.queue_seconds)

    @property
    def input(self) -> Duration:
        """Return the part of it that decoded requests and joined rows."""
        return Duration(self.answered, self.input_seconds)

    @property
    def infer(self) -> Duration:
        """Return the part of it that ran the graph."""
        return Duration(self.answered, self.infer_seconds)

    @property
    def output(self) -> Duration:
        """Return the part of it that split and encoded answers."""
        return Duration(self.answered, self.output_seconds)

    def ran(self, rows: int, seconds: RunSeconds, padding_ratio: float) -> None:
        """Add one run of the graph."""
        run = self.runs.get(rows)
        if run is None:
            run = self.runs[rows] = RunStatistics()
        run.count += 1
        run.gather_seconds += seconds.gather
        run.graph_seconds += seconds.graph
        run.scatter_seconds += seconds.scatter
        self.padding += padding_ratio

    def succeeded(
        self, norm: str, answers: Sequence[Answer], *, seconds: float, decode_seconds: float, encode_seconds: float
    ) -> None:
        """Add one request that was answered with at least one row.

        Rows of one request run side by side; its time is that of the row that took longest.
        """
        slowest = answers[0]
        if len(answers) > 1:
            slowest = max(answers, key=lambda answer: answer.queue_seconds + answer.compute_seconds)
        run = slowest.run
        self.answered += 1
        self.success_seconds += seconds
        self.queue_seconds += slowest.queue_seconds
        self.input_seconds += decode_seconds + run.gather
        self.infer_seconds += run.graph
        self.output_seconds += encode_seconds + run.scatter
        self.rows[norm] = self.rows.get(norm, 0) + len(answers)
        self.last_request_ms = time.time_ns() // 1_000_000

    def joined(self, chunks: int) -> None:
        """Add a run of several chunks of one stream."""
        self.joined_runs += 1
        self.joined_chunks += chunks

    def failed(self, *, seconds: float) -> None:
        """Add one request that was refused, failed or cancelled."""
        self.fail.add(seconds)
        self.last_request_ms = time.time_ns() // 1_000_000


class StatisticsView(Collector):
    """The metrics that are read off the statistics, on the thread of a scrape."""

    def __init__(
        self, read: Callable[[], Mapping[tuple[str, str], VersionStatistics]], places: Mapping[Place, int]
    ) -> None:
        """Create the view.

        Args:
            read: returns the statistics by model and version. Their sums may grow meanwhile, the keys don't change.
            places: runs by place, of all versions.

        """
        self._read = read
        self._places = places

    def collect(self) -> Iterator[Metric]:
        """Return every family."""
        predictions, sizes, padding = PREDICTIONS.collected(), BATCH_SIZE.collected(), PADDING_RATIO.collected()
        joined = JOINED_CHUNKS.collected()
        for version, counts in self._read().items():
            for norm, rows in list(counts.rows.items()):
                predictions.add_metric((*version, norm), rows)
            runs = [(size, run.count) for size, run in list(counts.runs.items())]
            if count := sum(runs_of_size for _, runs_of_size in runs):
                sizes.add_metric(version, count, sum(size * runs_of_size for size, runs_of_size in runs))
                padding.add_metric(version, count, counts.padding)
                joined.add_metric(version, counts.joined_runs, counts.joined_chunks)
        runs_by_place = RUNS.collected()
        for place, count in self._places.items():
            runs_by_place.add_metric((place,), count)
        yield from (predictions, sizes, joined, padding, runs_by_place)
