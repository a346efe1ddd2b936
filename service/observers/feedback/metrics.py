"""Accuracy as metrics, made at each scrape from the latest count: what a window holds no more has no series."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from service.observers.feedback.accuracy import Interval, Tally
    from service.observers.feedback.accuracy_watch import Counts

_SLICED = ("model", "version", "norm", "window", "slice", "bucket")
_PAIRS = ("model", "version", "norm", "window", "truth", "predicted")
# A series for each pair: of more classes GetAccuracy alone tells.
_MAX_CLASSES = 20


def _low(interval: Interval | None) -> float | None:
    return interval.low if interval else None


def _high(interval: Interval | None) -> float | None:
    return interval.high if interval else None


_FAMILIES: tuple[tuple[str, str, Callable[[Tally], float | None]], ...] = (
    ("soloist_accuracy_ratio", "Share of the labels that agree with the answer.", lambda tally: tally.accuracy),
    ("soloist_accuracy_low_ratio", "Lower end of its 95 % interval.", lambda tally: _low(tally.interval)),
    ("soloist_accuracy_high_ratio", "Upper end of its 95 % interval.", lambda tally: _high(tally.interval)),
    ("soloist_label_coverage_ratio", "Share of the answers that have a label.", lambda tally: tally.coverage),
    (
        "soloist_estimated_accuracy_ratio",
        "Mean calibrated confidence of all answers: an estimate of the accuracy.",
        lambda tally: tally.estimated_accuracy,
    ),
    (
        "soloist_calibration_error_ratio",
        "Expected calibration error of the labelled answers, 15 bins.",
        lambda tally: tally.calibration_error,
    ),
    ("soloist_labelled_predictions", "Labels in the window.", lambda tally: float(tally.labels)),
)


class AccuracyGauges(Collector):
    """Asked by the registry, on the thread of a scrape."""

    def __init__(self, latest: Callable[[], Counts]) -> None:
        self._latest = latest

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Give every family."""
        counts = self._latest()
        for name, text, read in _FAMILIES:
            yield _sliced(counts, GaugeMetricFamily(name, text, labels=_SLICED), read)
        yield _confusion(counts)


def _sliced(counts: Counts, family: GaugeMetricFamily, read: Callable[[Tally], float | None]) -> GaugeMetricFamily:
    for window, versions in counts.items():
        for (model, version, norm), found in versions.items():
            for place, tally in found.tallies.items():
                value = read(tally)
                if value is not None:
                    family.add_metric((model, str(version), norm, window.name, *place), value)
    return family


def _confusion(counts: Counts) -> GaugeMetricFamily:
    text = f"Labels by true and predicted class, of models with at most {_MAX_CLASSES} of them."
    family = GaugeMetricFamily("soloist_confusion_predictions", text, labels=_PAIRS)
    for window, versions in counts.items():
        for (model, version, norm), found in versions.items():
            if found.class_count <= _MAX_CLASSES:
                for pair, labels in found.confusion.items():
                    family.add_metric((model, str(version), norm, window.name, *pair), labels)
    return family
