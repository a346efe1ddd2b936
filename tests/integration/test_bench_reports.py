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
from tests.graphs import Sums
from tests.servers import running_server

MODEL = Sums(name="sums")
SCHEMA = str(resources.files("bench.load_generator").joinpath("report.schema.json"))
LOADS = {
    "unary": ("--rate", "100"),
    "mixed": ("--callers", "4", "--mode", "mixed", "--check", "--html"),
    "paced": ("--callers", "2", "--mode", "stream", "--chunk-interval-seconds", "0.05"),
    "ramp": ("--rate", "50", "--ramp-p99-ms", "0.001", "--html"),
    "failed": ("--rate", "50", "--timeout-seconds", "10", "--input", "wide.jsonl"),
}


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Hold a JSON file of every load, and the pages of those that have one."""
    folder = tmp_path_factory.mktemp("reports")
    MODEL.write(folder / "repository", manifest=MODEL.manifest)
    (folder / "wide.jsonl").write_text("[[1, 2, 3]]\n")
    with running_server(folder / "repository", folder) as server:
        for name, options in LOADS.items():
            places = {"--html": ["--html", str(folder / f"{name}.html")], "wide.jsonl": [str(folder / "wide.jsonl")]}
            given = [part for option in options for part in places.get(option, [option])]
            command = ["--server", server.grpc, "--model", MODEL.name, "--seconds", "0.1", "--json", *given]
            (folder / f"{name}.json").write_text(CliRunner().invoke(bench, command).stdout)
    return folder


def test_every_report_is_of_the_documented_form(reports: Path) -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--schemafile", SCHEMA]
    files = sorted(str(file) for file in reports.glob("*.json"))
    checked = subprocess.run([*command, *files], capture_output=True, text=True, check=False)
    assert len(files) == len(LOADS)
    assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize(("load", "figures"), [("mixed", 2), ("ramp", 3)])
def test_the_page_has_its_plots_and_needs_nothing_else(reports: Path, load: str, figures: int) -> None:
    text = (reports / f"{load}.html").read_text()
    assert text.count("<svg") == figures
    assert MODEL.name in text
    assert not re.search(r"<script|<link|src=|@import|url\((?!#)", text)
    assert {href for href in re.findall(r'href="([^"]*)"', text) if not href.startswith("#")} == set()


def test_a_page_that_has_no_place_is_told_before_the_load(tmp_path: Path) -> None:
    command = ["--server", "127.0.0.1:1", "--model", "m", "--html", str(tmp_path / "none" / "page.html")]
    refused = CliRunner().invoke(bench, command)
    assert refused.exit_code == 2
    assert "--html" in refused.output
