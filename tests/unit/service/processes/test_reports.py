"""The metrics of several processes as one page: what is added, what isn't, and that counts never fall."""

from __future__ import annotations

import math
from collections.abc import Iterable

import pytest
from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from service.app.metrics import merges
from service.core.metrics import CounterFamily, GaugeFamily, HistogramFamily, Merge, Start, SummaryFamily
from service.processes.reports import Report, Retired, decoded, encoded, merged
from service.reference.metrics import families

CALLS = CounterFamily(name="calls_total", text="Calls.", labels=("model",), start=Start.FIRST)
SECONDS = HistogramFamily(name="seconds", text="Time.", buckets=(0.1, 1.0), start=Start.FIRST)
OPEN = GaugeFamily(name="open", text="Open.", start=Start.FIRST)
SKEW = GaugeFamily(name="skew", text="Skew.", start=Start.FIRST, merge=Merge.MOST)
AGE = GaugeFamily(name="age", text="Age.", start=Start.FIRST, merge=Merge.LEAST)
ACCURACY = GaugeFamily(name="accuracy", text="Accuracy.", start=Start.FIRST, merge=Merge.FIRST)
MERGES = {each.name: each.merge for each in (OPEN, SKEW, AGE, ACCURACY)}


def report(calls: int = 0, model: str = "a", seconds: Iterable[float] = (), **gauges: float) -> Report:
    """Return what a process reports that has counted so much."""
    registry = CollectorRegistry()
    CALLS.on(registry).labels(model).inc(calls)
    histogram = SECONDS.on(registry)
    for each in seconds:
        histogram.observe(each)
    for family in (OPEN, SKEW, AGE, ACCURACY):
        if family.name in gauges:
            family.on(registry).set(gauges[family.name])
    return decoded(encoded(registry.collect(), MERGES))


def shown(reports: list[Report], retired: Retired | None = None) -> dict[str, dict[tuple[str, ...], float]]:
    """Return the samples of the page, by name and by the values of their labels."""
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for metric in merged(reports, retired or Retired()):
        for sample in metric.samples:
            found.setdefault(sample.name, {})[tuple(sample.labels.values())] = sample.value
    return found


def test_counts_and_distributions_are_added() -> None:
    page = shown([report(3, seconds=[0.05, 0.5]), report(4, seconds=[0.5, 5.0]), report(5, model="b")])
    assert page["calls_total"] == {("a",): 7, ("b",): 5}
    assert page["seconds_bucket"] == {("0.1",): 1, ("1.0",): 3, ("+Inf",): 4}
    assert page["seconds_count"] == {(): 4}
    assert page["seconds_sum"] == {(): pytest.approx(6.05)}


def test_gauges_are_added_unless_they_say_otherwise() -> None:
    page = shown([report(open=2, skew=0.1, age=9, accuracy=0.5), report(open=3, skew=0.7, age=7, accuracy=0.6)])
    assert [page[name][()] for name in ("open", "skew", "age", "accuracy")] == [5, 0.7, 7, 0.5]


def test_a_process_without_a_figure_does_not_hide_that_of_another() -> None:
    page = shown([report(skew=math.nan, accuracy=math.nan), report(skew=0.7, accuracy=0.6)])
    assert (page["skew"][()], page["accuracy"][()]) == (0.7, 0.6)
    assert math.isnan(shown([report(skew=math.nan), report(skew=math.nan)])["skew"][()])


def test_counts_of_processes_that_ended_stay_and_their_gauges_go() -> None:
    retired = Retired()
    retired.add(report(3, seconds=[0.5], open=2))
    page = shown([report(4)], retired)
    assert page["calls_total"] == {("a",): 7}
    assert page["seconds_bucket"][("1.0",)] == 1
    assert "open" not in page
    assert shown([], retired)["calls_total"] == {("a",): 3}


def test_no_rounding_makes_a_sum_fall() -> None:
    values = [0.1, 0.2, 0.3, 1e16, 0.7, 1e-9]
    reports = [report(seconds=[value]) for value in values]
    before = shown(reports)["seconds_sum"][()]
    retired = Retired()
    for number, each in enumerate(reports):
        retired.add(each)
        assert shown(reports[number + 1 :], retired)["seconds_sum"][()] == before


def test_a_value_that_is_no_number_leaves_only_its_metric_out() -> None:
    bad, good = CounterMetricFamily("bad", "Bad."), GaugeMetricFamily("good", "Good.", value=1.0)
    bad.add_metric((), "many")  # type: ignore[arg-type]
    some: list[Metric] = [bad, good]
    assert list(decoded(encoded(some, {}))) == ["good"]


def test_every_metric_of_ours_survives_the_way() -> None:
    registry = CollectorRegistry()
    for family in families():
        match family:
            case CounterFamily() | GaugeFamily() | HistogramFamily():
                metric = family.on(registry)
                if family.labels:
                    metric.labels(*family.labels)
            case _:
                assert isinstance(family, SummaryFamily)
    found = decoded(encoded(registry.collect(), merges()))
    before = {sample.name for metric in registry.collect() for sample in metric.samples}
    assert {name for each in found.values() for name, _ in each.samples} == before
    told = {name: each.merge for name, each in found.items() if each.kind == "gauge"}
    assert told == {each.name: each.merge for each in families() if isinstance(each, GaugeFamily)}
