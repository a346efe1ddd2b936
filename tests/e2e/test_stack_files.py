"""The stack's files are valid to the programs that read them, and agree with each other."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
BIN = Path(sys.executable).parent
DASHBOARDS = sorted((DEPLOY / "grafana" / "dashboards").glob("*.json"))


def run(*command: str | Path, cwd: Path = ROOT) -> str:
    """Run a checker; returns what it printed, which is what a failure shows."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def promtool() -> str:
    found = shutil.which("promtool")
    if found is None and not os.environ.get("CI"):
        pytest.skip("promtool is not installed (Debian package prometheus; deploy/install-tools.sh)")
    assert found is not None, "promtool has to be installed under CI: deploy/install-tools.sh"
    return found


def test_compose_file_fits_the_compose_specification() -> None:
    assert "ok" in run(BIN / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", "docker-compose.yml")


@pytest.mark.parametrize("file", ["deploy/compose-tokens.yml", "deploy/compose-sequence-store.yml"])
def test_the_files_of_options_fit_the_compose_specification(file: str) -> None:
    assert "ok" in run(BIN / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", file)


def test_ports_are_published_on_this_machine_unless_a_variable_says_otherwise() -> None:
    ports = re.findall(r'- "(.+):(\d+):\d+"$', (ROOT / "docker-compose.yml").read_text(), flags=re.MULTILINE)
    assert {port: host for host, port in ports} == {
        "8001": "${SOLOIST_PUBLISH:-127.0.0.1}",
        "8002": "${SOLOIST_PUBLISH:-127.0.0.1}",
        "9090": "127.0.0.1",
        "3000": "127.0.0.1",
    }


def test_prometheus_with_a_token_is_the_usual_one_otherwise(promtool: str) -> None:
    folder = DEPLOY / "prometheus"
    assert "SUCCESS" in run(promtool, "check", "config", "--syntax-only", folder / "with-token.yml")
    usual, with_token = [(folder / name).read_text().splitlines()[1:] for name in ("prometheus.yml", "with-token.yml")]
    assert [line for line in with_token if line not in usual] == [
        "    authorization:",
        "      # A token with the role monitor. The file is read again for every scrape.",
        "      credentials_file: /run/soloist/prometheus.token",
    ]


def test_dockerfile_passes_hadolint() -> None:
    assert run(BIN / "hadolint", "deploy/Dockerfile") == ""


def test_server_image_is_a_base_install() -> None:
    stages = re.split(r"^FROM ", (DEPLOY / "Dockerfile").read_text(), flags=re.MULTILINE)
    (server,) = (stage for stage in stages if stage.splitlines()[0].endswith(" AS server"))
    assert server.startswith("base AS server")
    assert "from=builder," in server
    assert "export" not in server
    assert "USER 10001" in server
    assert "HEALTHCHECK" in server


def test_the_server_may_write_labels_and_nothing_else() -> None:
    services = re.split(r"^  (?=\w)", (ROOT / "docker-compose.yml").read_text(), flags=re.MULTILINE)
    (server,) = (service for service in services if service.startswith("server:"))
    assert "- repository:/repository\n" in server  # the exporter made it, and both run as the same user
    assert "read_only: true\n" in server
    assert (DEPLOY / "Dockerfile").read_text().count("USER 10001:10001\n") == 2


def test_every_file_that_compose_mounts_exists() -> None:
    mounts = re.findall(r"- (\./[^:\s]+):", (ROOT / "docker-compose.yml").read_text())
    assert len(mounts) == 3
    assert all((ROOT / mount).is_dir() for mount in mounts)


def test_dockerignore_lets_through_what_the_dockerfile_copies() -> None:
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    lines = re.findall(r"^COPY (?!--from)(.+) \S+$", (DEPLOY / "Dockerfile").read_text(), flags=re.MULTILINE)
    copied = {source for line in lines for source in line.split()}
    assert copied == allowed
    assert all((ROOT / source).exists() for source in copied)


def test_prometheus_config_and_rules_are_valid(promtool: str) -> None:
    assert "SUCCESS" in run(promtool, "check", "config", DEPLOY / "prometheus" / "prometheus.yml")
    assert "SUCCESS" in run(promtool, "check", "rules", *sorted((DEPLOY / "prometheus" / "rules").glob("*.yml")))


def test_alerts_fire_on_what_they_name(promtool: str) -> None:
    assert "SUCCESS" in run(promtool, "test", "rules", *sorted((DEPLOY / "prometheus" / "tests").glob("*.yml")))


def test_every_alert_has_a_test() -> None:
    alerts = re.findall(r"- alert: (\w+)", _joined(DEPLOY / "prometheus" / "rules"))
    tests = _joined(DEPLOY / "prometheus" / "tests")
    assert len(alerts) >= 5
    assert [alert for alert in alerts if f"alertname: {alert}\n        exp_alerts:\n" not in tests] == []


def _joined(folder: Path) -> str:
    return "\n".join(path.read_text() for path in sorted(folder.glob("*.yml")))


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_grafana_finds_its_data_source_and_dashboard(path: Path) -> None:
    provisioning = DEPLOY / "grafana" / "provisioning"
    dashboard = json.loads(path.read_text())
    sources = {panel["datasource"]["uid"] for panel in dashboard["panels"] if "datasource" in panel}
    assert sources == {"prometheus"}
    assert "uid: prometheus\n" in (provisioning / "datasources" / "prometheus.yml").read_text()
    folder = re.search(r"path: (\S+)", (provisioning / "dashboards" / "soloist.yml").read_text())
    assert folder is not None
    assert f"./deploy/grafana/dashboards:{folder[1]}:ro" in (ROOT / "docker-compose.yml").read_text()


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_panels_have_names_units_and_room(path: Path) -> None:
    dashboard = json.loads(path.read_text())
    panels = [panel for panel in dashboard["panels"] if panel["type"] != "row"]
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
    assert all(panel["title"] and panel["description"] and panel["targets"] for panel in panels)
    taken: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        columns, rows = range(place["x"], place["x"] + place["w"]), range(place["y"], place["y"] + place["h"])
        cells = {(column, row) for column in columns for row in rows}
        assert max(columns) < 24
        assert not cells & taken
        taken |= cells
