"""The declaration of metrics, the labels of calls and versions, and the buckets of histograms.

Every part declares its own metrics and one enum of its outcomes, next to the code that counts them. Names are a
contract with dashboards and alerts, units are base units, and labels are taken from closed sets: nothing that a caller
invents becomes a series.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import accumulate
from typing import TYPE_CHECKING, Protocol

from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, SummaryMetricFamily
from prometheus_client.samples import Exemplar as PrometheusExemplar
from prometheus_client.utils import floatToGoString

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from prometheus_client.metrics import MetricWrapperBase

    from soloist.v1.model_pb2 import Model

VERSION = ("model", "version")
CALL = (*VERSION, "api")


class Start(StrEnum):
    """When the series of a metric appear. `rate()` loses the first increment of a new series."""

    SERVER = "the server starts"
    VERSION = "a version is ready"
    FIRST = "it is first observed"


class Merge(StrEnum):
    """What a gauge of several processes shows. Counts of processes are always added."""

    SUM = "the sum"
    MOST = "the largest"
    LEAST = "the smallest"
    # Each process sees the same, at slightly different times: the figures shown belong together.
    FIRST = "that of one process"


@dataclass(frozen=True, kw_only=True)
class Family:
    """One metric. `values` is the closed set of its last label."""

    name: str
    text: str
    start: Start
    labels: tuple[str, ...] = ()
    values: tuple[str, ...] = ()

    @property
    def lines(self) -> int:
        """Return the number of series for each set of labels."""
        return 1


class CounterFamily(Family):
    """A metric that only grows."""

    def on(self, registry: CollectorRegistry) -> Counter:
        """Return the counter, registered."""
        return Counter(self.name, self.text, self.labels, registry=registry)

    def collected(self) -> CounterMetricFamily:
        """Return an empty family, for a collector to fill."""
        return CounterMetricFamily(self.name, self.text, labels=self.labels)


@dataclass(frozen=True, kw_only=True)
class GaugeFamily(Family):
    """A metric that goes up and down; `merge` says what several processes show together."""

    merge: Merge = Merge.SUM

    def on(self, registry: CollectorRegistry) -> Gauge:
        """Return the gauge, registered."""
        return Gauge(self.name, self.text, self.labels, registry=registry)

    def collected(self) -> GaugeMetricFamily:
        """Return an empty family, for a collector to fill."""
        return GaugeMetricFamily(self.name, self.text, labels=self.labels)


class SummaryFamily(Family):
    """A sum and a count, for panels that show a mean."""

    @property
    def lines(self) -> int:
        """Return the number of series for each set of labels: sum and count."""
        return 2

    def collected(self) -> SummaryMetricFamily:
        """Return an empty family, for a collector to fill."""
        return SummaryMetricFamily(self.name, self.text, labels=self.labels)


@dataclass(frozen=True, kw_only=True)
class HistogramFamily(Family):
    """A distribution, for panels and alerts that read a quantile."""

    buckets: tuple[float, ...]

    @property
    def lines(self) -> int:
        """Return the number of series for each set of labels: buckets, the infinite one, sum and count."""
        return len(self.buckets) + 3

    def on(self, registry: CollectorRegistry) -> Histogram:
        """Return the histogram, registered."""
        return Histogram(self.name, self.text, self.labels, buckets=self.buckets, registry=registry)

    def collected(self) -> HistogramMetricFamily:
        """Return an empty family, for a collector to fill from distributions."""
        return HistogramMetricFamily(self.name, self.text, labels=self.labels)


# The labels of an example of a value, such as the trace of the call.
Exemplar = Mapping[str, str]


class Distribution:
    """The values of one set of labels of a histogram. Written on one thread, without a lock; read on any."""

    __slots__ = ("_bounds", "_counts", "_exemplars", "_sum")

    def __init__(self, family: HistogramFamily) -> None:
        self._bounds = family.buckets
        # The latest of each bucket; None until there is one.
        self._exemplars: dict[int, PrometheusExemplar] | None = None
        self._counts = [0] * (len(family.buckets) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        """Add a value."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def exemplify(self, value: float, exemplar: Exemplar) -> None:
        """Keep an example of a value that was added, for its bucket."""
        if self._exemplars is None:
            self._exemplars = {}
        self._exemplars[bisect_left(self._bounds, value)] = PrometheusExemplar(dict(exemplar), value, time.time())

    def add_to(self, family: HistogramMetricFamily, labels: Sequence[str]) -> None:
        """Add its series to a family, unless it is empty."""
        total, counts = self._sum, accumulate(self._counts.copy())
        bounds: list[str] = [*map(floatToGoString, self._bounds), "+Inf"]
        examples = dict(self._exemplars or ())
        buckets: list[tuple[str, float] | tuple[str, float, PrometheusExemplar]] = [
            (bound, float(count), examples[place]) if place in examples else (bound, float(count))
            for place, (bound, count) in enumerate(zip(bounds, counts, strict=True))
        ]
        if buckets[-1][1]:
            family.add_metric(labels, buckets, total)


class VersionSeries(Protocol):
    """A part that has series of every version."""

    def prepare(self, model: Model) -> None:
        """Create those series of a ready version that have to exist before anything happens."""

    def forget(self, name: str, version: str) -> None:
        """Remove the series of a version that has left the repository, so that memory doesn't grow."""


def one_two_five(first: float, last: float) -> tuple[float, ...]:
    """Return the buckets 1, 2, 5, 10, 20, … from `first` to `last`. A quantile is off by a factor of at most 2.5."""
    steps = (float(f"{digit}e{power}") for power in range(-6, 9) for digit in (1, 2, 5))
    return tuple(step for step in steps if first <= step <= last)


def remove(name: str, version: str, families: Iterable[MetricWrapperBase], *, label: str = "version") -> None:
    """Remove the series that have a version as `label`."""
    for family in families:
        family.remove_by_labels({"model": name, label: version})
