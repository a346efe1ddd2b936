"""The metrics of feedback: outcomes of labels and of answers to be logged, and the resulting accuracy.

Accuracy is built at each scrape from the latest count, so what has left a window has no series.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

from prometheus_client.registry import Collector

from service.core.metrics import VERSION, CounterFamily, Family, GaugeFamily, HistogramFamily, Merge, Start, remove
from service.observers.feedback.accuracy import ALL
from service.observers.feedback.label import Outcome

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from prometheus_client.core import GaugeMetricFamily

    from service.loading.servable import Servable
    from service.observers.feedback.accuracy import Interval, Tally
    from service.observers.feedback.accuracy_watch import Counts
    from service.observers.feedback.label import Verdict
    from soloist.v1.model_pb2 import Model

_NORM = (*VERSION, "norm")
# One series per pair. For more classes only GetAccuracy has the confusion.
_MAX_CLASSES = 20
_HOUR, _DAY = 3600.0, 86_400.0

LABELS = CounterFamily(
    name="soloist_labels_total",
    text="Labels by outcome; a pending one counts again with its final one. For models that name classes.",
    labels=(*_NORM, "outcome"),
    values=tuple(Outcome),
    start=Start.VERSION,
)
LABEL_DELAY_SECONDS = HistogramFamily(
    name="soloist_label_delay_seconds",
    text="Time from an answer to the event that showed its label. For models that name classes.",
    labels=("model",),
    buckets=(0.1, 1, 10, 60, 600, _HOUR, 6 * _HOUR, _DAY, 7 * _DAY, 30 * _DAY),
    start=Start.VERSION,
)
DROPPED = CounterFamily(
    name="soloist_prediction_log_dropped_total",
    text="Answers that the prediction log had no room for, or failed to write. For models that name classes.",
    labels=VERSION,
    start=Start.VERSION,
)


def _gauge(name: str, text: str, place: tuple[str, ...] = ("slice", "bucket")) -> GaugeFamily:
    # Each process counts the same file.
    labels = (*_NORM, "window", *place)
    return GaugeFamily(name=f"soloist_{name}", text=text, labels=labels, start=Start.FIRST, merge=Merge.FIRST)


def _low(interval: Interval | None) -> float | None:
    return interval.low if interval else None


def _high(interval: Interval | None) -> float | None:
    return interval.high if interval else None


ACCURACY = _gauge("accuracy_ratio", "Share of the labels that agree with the answer; the only figure with slices.")
ACCURACY_LOW = _gauge("accuracy_low_ratio", "Lower end of its 95 % interval.")
ACCURACY_HIGH = _gauge("accuracy_high_ratio", "Upper end of its 95 % interval.")
COVERAGE = _gauge("label_coverage_ratio", "Share of the answers that have a label.")
ESTIMATE = _gauge("estimated_accuracy_ratio", "Mean calibrated confidence of all answers: an estimate of the accuracy.")
CALIBRATION = _gauge("calibration_error_ratio", "Expected calibration error of the labelled answers, 15 bins.")
LABELLED = _gauge("labelled_predictions", "Labels in the window.")
CONFUSION = _gauge(
    "confusion_predictions",
    f"Labels by true and predicted class, for models with at most {_MAX_CLASSES} of them.",
    ("truth", "predicted"),
)
_FIGURES: Final[tuple[tuple[GaugeFamily, Callable[[Tally], float | None]], ...]] = (
    (ACCURACY, lambda tally: tally.accuracy),
    (ACCURACY_LOW, lambda tally: _low(tally.interval)),
    (ACCURACY_HIGH, lambda tally: _high(tally.interval)),
    (COVERAGE, lambda tally: tally.coverage),
    (ESTIMATE, lambda tally: tally.estimated_accuracy),
    (CALIBRATION, lambda tally: tally.calibration_error),
    (LABELLED, lambda tally: float(tally.labels)),
)
FAMILIES: Final[tuple[Family, ...]] = (
    *(LABELS, LABEL_DELAY_SECONDS, DROPPED),
    *(ACCURACY, ACCURACY_LOW, ACCURACY_HIGH, COVERAGE, ESTIMATE, CALIBRATION, LABELLED, CONFUSION),
)


class FeedbackMetrics:
    """One set of series in one registry. May be called on any thread."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.labels = LABELS.on(registry)
        self.label_delay_seconds = LABEL_DELAY_SECONDS.on(registry)
        self.dropped = DROPPED.on(registry)
        for outcome in Outcome:
            self.labels.labels("", "", "", outcome)

    def prepare(self, model: Model) -> None:
        """Create every series of a ready version that names classes; others aren't logged."""
        if not model.labels:
            return
        name, version = model.name, str(model.version)
        for outcome in Outcome:
            self.labels.labels(name, version, model.norm, outcome)
        self.label_delay_seconds.labels(name)
        self.dropped.labels(name, version)

    def forget(self, name: str, version: str) -> None:
        """Remove every series of a version."""
        remove(name, version, (self.labels, self.dropped))

    def judged(self, verdicts: Sequence[Verdict]) -> None:
        """Count the outcomes of labels."""
        for verdict in verdicts:
            self.labels.labels(*verdict.version, verdict.outcome).inc()
            if verdict.delay_seconds is not None:
                self.label_delay_seconds.labels(verdict.version[0]).observe(verdict.delay_seconds)

    def drop(self, servable: Servable) -> None:
        """Count an answer that isn't logged."""
        self.dropped.labels(servable.name, str(servable.version)).inc()


class AccuracyGauges(Collector):
    """The gauges of accuracy, collected on the thread of a scrape."""

    def __init__(self, latest: Callable[[], Counts]) -> None:
        self._latest = latest

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Return every family."""
        counts = self._latest()
        for family, read in _FIGURES:
            yield _figures(counts, family, read)
        yield _confusion(counts)


def _figures(counts: Counts, family: GaugeFamily, read: Callable[[Tally], float | None]) -> GaugeMetricFamily:
    found = family.collected()
    for window, versions in counts.items():
        for (model, version, norm), of_version in versions.items():
            for place, tally in of_version.tallies.items():
                value = read(tally) if family is ACCURACY or place == (ALL, ALL) else None
                if value is not None:
                    found.add_metric((model, str(version), norm, window.name, *place), value)
    return found


def _confusion(counts: Counts) -> GaugeMetricFamily:
    found = CONFUSION.collected()
    for window, versions in counts.items():
        for (model, version, norm), of_version in versions.items():
            if of_version.class_count <= _MAX_CLASSES:
                for pair, labels in of_version.confusion.items():
                    found.add_metric((model, str(version), norm, window.name, *pair), labels)
    return found
