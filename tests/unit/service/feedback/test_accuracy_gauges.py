"""Accuracy as a scrape sees it."""

from __future__ import annotations

from prometheus_client import CollectorRegistry

from service.observers.feedback.metrics import AccuracyGauges
from service.observers.feedback.policy import Window
from tests.unit.service.feedback.conftest import Log, classifier

WINDOW = Window("5m", 300)
TOTAL = {"model": "m", "version": "1", "norm": "layer", "window": "5m", "slice": "all", "bucket": "all"}


def _registry(log: Log) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(AccuracyGauges(lambda: {WINDOW: log.count(WINDOW.seconds)}))
    return registry


def test_a_scrape_tells_accuracy_with_its_bounds_coverage_and_estimate(log: Log) -> None:
    registry = _registry(log)
    assert registry.get_sample_value("soloist_accuracy_ratio", TOTAL) is None
    for label in ("a", "a", "b", None):
        answer = log.answer(0, confidence=0.8)
        if label:
            log.report(answer, label)
    found = {
        name: registry.get_sample_value(f"soloist_{name}", TOTAL)
        for name in ("accuracy_ratio", "label_coverage_ratio", "labelled_predictions", "calibration_error_ratio")
    }
    assert {name: round(value or 0, 6) for name, value in found.items()} == {
        "accuracy_ratio": 0.666667,
        "label_coverage_ratio": 0.75,
        "labelled_predictions": 3,
        "calibration_error_ratio": 0.133333,
    }
    low = registry.get_sample_value("soloist_accuracy_low_ratio", TOTAL)
    high = registry.get_sample_value("soloist_accuracy_high_ratio", TOTAL)
    assert low is not None
    assert high is not None
    assert low < 2 / 3 < high
    assert round(registry.get_sample_value("soloist_estimated_accuracy_ratio", TOTAL) or 0, 6) == 0.8
    place = {"model": "m", "version": "1", "norm": "layer", "window": "5m", "truth": "b", "predicted": "a"}
    assert registry.get_sample_value("soloist_confusion_predictions", place) == 1


def test_what_has_no_labels_has_no_accuracy(log: Log) -> None:
    registry = _registry(log)
    log.answer(0)
    assert registry.get_sample_value("soloist_accuracy_ratio", TOTAL) is None
    assert registry.get_sample_value("soloist_label_coverage_ratio", TOTAL) == 0


def test_a_version_that_answers_no_more_loses_its_series(log: Log) -> None:
    registry = _registry(log)
    log.report(log.answer(0), "a")
    assert registry.get_sample_value("soloist_accuracy_ratio", TOTAL) == 1
    log.now_seconds += 301
    assert registry.get_sample_value("soloist_accuracy_ratio", TOTAL) is None


def test_many_classes_make_no_series_for_each_pair(log: Log) -> None:
    log.by = classifier(classes=[f"class {number}" for number in range(21)])
    log.report(log.answer(0), 0)
    assert log.count()["m", 1, "layer"].confusion == {("class 0", "class 0"): 1}
    registry = _registry(log)
    (family,) = [each for each in registry.collect() if each.name == "soloist_confusion_predictions"]
    assert family.samples == []
