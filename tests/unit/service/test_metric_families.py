"""What metrics are declared as: names, closed sets, buckets, and what alerts and dashboards need of them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from service.app.metrics import Metrics
from service.core.failures import Failures
from service.core.metrics import HistogramFamily, one_two_five
from service.reference.metrics import families, page
from service.serving.call_metrics import ALERTED_CODES, CODES, QUEUE_SECONDS, SERVER_APIS, VERSION_APIS

ROOT = Path(__file__).parents[3]
DEPLOY = ROOT / "deploy"
FAMILIES = families()


def _expressions() -> str:
    rules = "\n".join(path.read_text() for path in sorted((DEPLOY / "prometheus" / "rules").glob("*.yml")))
    dashboards = [json.loads(path.read_text()) for path in sorted((DEPLOY / "grafana" / "dashboards").glob("*.json"))]
    panels = [panel for dashboard in dashboards for panel in dashboard["panels"]]
    return "\n".join([rules, *(target["expr"] for panel in panels for target in panel.get("targets", []))])


def test_names_are_unique_and_have_units_at_their_end() -> None:
    names = [family.name for family in FAMILIES]
    assert len(set(names)) == len(names)
    assert all(name.startswith("soloist_") for name in names)
    assert {name for name in names if name.endswith("_total")} == {
        family.name for family in FAMILIES if type(family).__name__ == "CounterFamily"
    }


def test_the_declarations_are_all_that_there_is() -> None:
    registry = CollectorRegistry()
    Metrics(registry)
    Failures(registry)
    found = {family.name for family in registry.collect()}
    assert found <= {family.name.removesuffix("_total") for family in FAMILIES}


def test_alerts_and_panels_read_what_is_declared() -> None:
    read = set(re.findall(r"(?<![\w:])soloist_\w+(?=[{\[\s)])", _expressions()))
    suffixes = ("", "_bucket", "_sum", "_count")
    declared = {family.name + suffix for family in FAMILIES for suffix in suffixes}
    assert read
    assert sorted(read - declared) == []


def test_distributions_have_buckets_where_a_quantile_is_read_and_no_others_do() -> None:
    read = set(re.findall(r"(soloist_\w+)_bucket", _expressions()))
    # No panel shows the loop's lag; docs and benches read its quantiles.
    declared = {family.name for family in FAMILIES if isinstance(family, HistogramFamily)}
    assert declared == read | {"soloist_event_loop_lag_seconds"}


def test_codes_that_alerts_read_are_there_from_the_start() -> None:
    alerts = (DEPLOY / "prometheus" / "rules" / "soloist.yml").read_text()
    read = {code for found in re.findall(r'code=~?"([\w|]+)"', alerts) for code in found.split("|")}
    assert read
    assert read & set(CODES) == set(ALERTED_CODES) - {"OK"}


def test_the_threshold_of_an_alert_is_a_bucket() -> None:
    (threshold,) = re.findall(r"soloist_queue_seconds:p99_5m > ([\d.]+)", (_expressions()))
    assert float(threshold) in QUEUE_SECONDS.buckets


def test_buckets_follow_each_other_closely() -> None:
    assert one_two_five(1e-4, 1e-2) == (1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2)
    assert one_two_five(1, 20) == (1, 2, 5, 10, 20)


def test_every_api_is_named_once() -> None:
    apis = (*VERSION_APIS, *SERVER_APIS)
    assert len(set(apis)) == len(apis) == 39


@pytest.mark.parametrize("path", ["docs/reference/metrics.md"])
def test_the_reference_is_made_of_the_declarations(path: str) -> None:
    assert (ROOT / path).read_text() == page()
