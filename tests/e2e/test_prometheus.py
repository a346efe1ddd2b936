"""A real Prometheus with the stack's own configuration scrapes a real server; the dashboard and the rules find data.

Every PromQL expression that is checked in is sent to it, so a metric that is renamed or loses a label fails here.
"""

from __future__ import annotations

import json
import math
import re
import shutil
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from models.data import load
from soloist import Client
from soloist.v1 import model_pb2
from tests.e2e.prometheus_process import Prometheus, program_or_skip, running_prometheus
from tests.graphs import Sums
from tests.integration.publishing import publish
from tests.servers import RunningServer, running_server

DEPLOY = Path(__file__).parents[2] / "deploy"
DASHBOARD = json.loads((DEPLOY / "grafana" / "dashboards" / "soloist.json").read_text())
NORMALISERS = json.loads((DEPLOY / "grafana" / "dashboards" / "normalisers.json").read_text())
ACCURACY = json.loads((DEPLOY / "grafana" / "dashboards" / "accuracy.json").read_text())
SHADOWED = "shadowed"
COMPARED = "compared"
# A server without a store has no requests to it to take a mean of: tests/integration/test_sequence_store.py reads it.
OF_STORE = "soloist_sequence_store_seconds_total"
# A server of one process has no such series: tests/integration/test_processes.py reads it.
SEVERAL_PROCESSES = {"soloist_process_restarts_total"}
# Nor has one without TLS these, which tests/integration/test_tls_renewal.py reads.
OF_TLS = {"soloist_certificate_expiry_timestamp_seconds", "soloist_certificate_reloads_total"}
# Nor one without a tokens file this, which tests/integration/test_access.py reads.
OF_TOKENS = {"soloist_tokens_file_loads_total"}


def expressions(dashboard: Any) -> list[str]:
    """PromQL of every panel, with Grafana's variables filled in."""
    targets = [target for panel in dashboard["panels"] for target in panel.get("targets", [])]
    filled = {"$__rate_interval": "1m", "$model": ".*", "$window": "5m"}
    return [_filled(target["expr"], filled) for target in targets]


def _filled(expression: str, values: Mapping[str, str]) -> str:
    for name, value in values.items():
        expression = expression.replace(name, value)
    return expression


@pytest.fixture(scope="module")
def program() -> str:
    return program_or_skip()


@pytest.fixture(scope="module")
def watched(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """Serve the small models, one that has a shadow, and one that knows its training inputs; labels are taken."""
    folder = tmp_path_factory.mktemp("watched")
    shutil.copytree(repository, folder / "repository")
    for version in (1, 2):
        publish(folder / "repository", Sums(name=SHADOWED, features=12), version)
    _write_compared(folder / "repository")
    (folder / "repository" / SHADOWED / "labels.json").write_text('{"labels": {"stable": 1}, "shadow": 2}')
    settings: dict[str, Any] = {"prediction_log": folder / "predictions.db", "accuracy_refresh_seconds": 0.5}
    settings |= {"skew_probe_ratio": 1, "skew_core_ratio": 1}
    with running_server(folder / "repository", folder, **settings) as server:
        yield server


def _write_compared(repository: Path) -> None:
    """Write a model that has a reference of its inputs, which anything is like."""
    bounds = model_pb2.SkewThresholds(window_sequences=4, mean_tid=1e9, variance_tid=1e9, divergence_nats=1e9)
    moments = model_pb2.Moments(mean=[0.0] * 12, variance=[1.0] * 12)
    sums = Sums(name=COMPARED, features=12)
    manifest = sums.manifest
    manifest.input_reference.CopyFrom(model_pb2.InputReference(moments=moments, eps=1e-5, thresholds=[bounds]))
    sums.write(repository, manifest=manifest)


@pytest.fixture(scope="module")
def prometheus(program: str, watched: RunningServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Prometheus on a free port, with the checked-in configuration but for the target's address."""
    with running_prometheus(program, "prometheus.yml", watched.http, tmp_path_factory.mktemp("prometheus")) as found:
        yield found


@pytest.fixture(scope="module")
def used(prometheus: Prometheus, watched: RunningServer) -> Prometheus:
    """Prometheus after a first scrape, some calls and streams to every model, and a second scrape that saw them."""
    prometheus.wait_for("up", lambda: prometheus.query('up{job="soloist"}') == [1.0])
    _use(watched)
    prometheus.wait_for("histograms there", lambda: prometheus.query("soloist_request_seconds_count") != [])
    _use(watched)  # a rate tells of what comes after a series
    for name in ("request", "first_output", "queue", "compute"):
        prometheus.wait_for("calls counted", partial(_is_counted, prometheus, f"soloist_{name}_seconds_count"))
    compared = 'sum(rate(soloist_shadow_steps_total{outcome="equal-bits"}[1m])) > 0'
    prometheus.wait_for("shadow compared", lambda: prometheus.query(compared) != [])
    prometheus.wait_for("accuracy counted", lambda: prometheus.query('soloist_accuracy_ratio{window="1d"}') != [])
    prometheus.wait_for("inputs compared", lambda: prometheus.query("soloist_input_drift_ratio") != [])
    delays = "sum(rate(soloist_label_delay_seconds_count[1m])) > 0"
    prometheus.wait_for("labels joined between two scrapes", lambda: prometheus.query(delays) != [])
    return prometheus


def _is_counted(prometheus: Prometheus, name: str) -> bool:
    return prometheus.query(f"sum(rate({name}[1m])) > 0") != []


def _use(watched: RunningServer) -> None:
    test = load("vowels").test
    with Client(watched.grpc) as client:
        for name in sorted(path.name for path in watched.repository.iterdir() if path.is_dir()):
            for frames, label in zip(test.sequences[:5], test.labels[:5], strict=True):
                client.report(client.predict(name, frames).prediction_id, int(label))
                with client.stream(name) as stream:
                    stream.send(frames)


def test_the_server_is_up(used: Prometheus) -> None:
    assert used.query('up{job="soloist"}') == [1.0]


@pytest.mark.parametrize("expression", [*expressions(DASHBOARD), *expressions(ACCURACY)])
def test_every_panel_has_data(used: Prometheus, expression: str) -> None:
    found = used.query(expression)
    assert found != [] if OF_STORE in expression else any(map(math.isfinite, found))


@pytest.mark.parametrize("expression", expressions(NORMALISERS))
def test_every_panel_of_the_normalisers_has_series(used: Prometheus, expression: str) -> None:
    # Figures come with enough sampled sequences; until then they are NaN.
    assert used.query(expression) != []


def test_the_model_variable_lists_the_models(used: Prometheus, watched: RunningServer) -> None:
    (variable,) = DASHBOARD["templating"]["list"]
    asked = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["query"]["query"])
    assert asked is not None
    listed = used.get(f"label/{asked[2]}/values", **{"match[]": asked[1]})
    assert listed == sorted(path.name for path in watched.repository.iterdir() if path.is_dir())


def test_every_rule_is_evaluated_and_no_alert_fires(used: Prometheus) -> None:
    def rules() -> list[dict[str, Any]]:
        return [rule for group in used.get("rules")["groups"] for rule in group["rules"]]

    used.wait_for("rules evaluated", lambda: all(rule["health"] != "unknown" for rule in rules()))
    assert {rule["health"] for rule in rules()} == {"ok"}
    assert len(rules()) >= 8
    # The traffic is of few sequences, unlike the whole of the training data: that may be pending.
    assert [alert for alert in used.get("alerts")["alerts"] if alert["state"] == "firing"] == []


def test_every_recorded_expression_has_data(used: Prometheus) -> None:
    rules = [rule for group in used.get("rules")["groups"] for rule in group["rules"]]
    recorded = [rule for rule in rules if rule["type"] == "recording"]
    assert len(recorded) >= 3
    for rule in recorded:
        assert any(math.isfinite(value) for value in used.query(rule["query"])), rule["query"]


def test_alerting_on_counters_names_series_that_exist(used: Prometheus) -> None:
    rules = [rule for group in used.get("rules")["groups"] for rule in group["rules"] if rule["type"] == "alerting"]
    metrics = {name for rule in rules for name in re.findall(r"(?<![:\w])soloist_\w+(?![:\w])", rule["query"])}
    assert metrics
    metrics -= SEVERAL_PROCESSES | OF_TLS | OF_TOKENS
    assert [name for name in sorted(metrics) if used.query(f"count({name})") == []] == []
