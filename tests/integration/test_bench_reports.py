"""What `soloist bench` leaves behind: JSON of the documented form, and a page that needs nothing else."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import resources
from pathlib import Path

import pytest
from click.testing import CliRunner

from soloist.cli.bench import bench
from tests.servers import RunningServer

MODEL = "vowels-lstm-layer"
LOADS = {
    "unary": ("--rate", "100"),
    "mixed": ("--callers", "4", "--mode", "mixed", "--check"),
    "paced": ("--callers", "2", "--mode", "stream", "--chunk-interval-seconds", "0.05"),
    "ramp": ("--rate", "40", "--ramp-p99-ms", "0.001"),
    "failed": ("--rate", "20", "--timeout-seconds", "0.00001"),
}


def test_every_report_is_of_the_documented_form(server: RunningServer, tmp_path: Path) -> None:
    for name, options in LOADS.items():
        done = _bench(server, "--json", *options)
        (tmp_path / f"{name}.json").write_text(done)
    schema = resources.files("bench").joinpath("report.schema.json")
    command = [sys.executable, "-m", "check_jsonschema", "--schemafile", str(schema)]
    checked = subprocess.run(
        [*command, *map(str, sorted(tmp_path.glob("*.json")))], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize(("load", "figures"), [("mixed", 2), ("ramp", 3)])
def test_the_page_has_its_plots_and_needs_nothing_else(
    server: RunningServer, tmp_path: Path, load: str, figures: int
) -> None:
    page = tmp_path / "page.html"
    _bench(server, "--html", str(page), *LOADS[load])
    text = page.read_text()
    assert text.count("<svg") == figures
    assert MODEL in text
    assert not re.search(r"<script|<link|src=|@import", text)
    assert {href for href in re.findall(r'href="([^"]*)"', text) if not href.startswith("#")} == set()


def test_a_page_that_can_not_be_written_is_told(server: RunningServer, tmp_path: Path) -> None:
    assert "Error: " in _bench(server, "--html", str(tmp_path / "none" / "page.html"), *LOADS["unary"])


def _bench(server: RunningServer, *options: str) -> str:
    return CliRunner().invoke(bench, ["--server", server.grpc, "--model", MODEL, "--seconds", "0.3", *options]).output
