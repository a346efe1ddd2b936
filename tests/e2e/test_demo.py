"""`soloist demo` from beginning to end, with one epoch and a second of load: the same program, worse models."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from demo.plan import Plan

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    out = tmp_path_factory.mktemp("demo")
    command = [sys.executable, "-m", "soloist.cli.main", "demo", "--out", str(out)]
    command += ["--epochs", "1", "--load-seconds", "0.5"]
    return out, subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)


@pytest.fixture(scope="module")
def report(finished: tuple[Path, subprocess.CompletedProcess[str]]) -> Any:
    out, ended = finished
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return json.loads((out / "report.json").read_text())


def test_it_passes_and_prints_a_row_a_model(finished: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    _out, ended = finished
    assert ended.returncode == 0, ended.stdout + ended.stderr
    rows = [line.split()[0] for line in ended.stdout.splitlines() if line.strip().startswith("vowels-")]
    assert rows == Plan().names


def test_served_accuracy_equals_that_of_the_artifact(report: Any) -> None:
    for model in report["models"]:
        assert model["correct_whole"] == model["correct_streamed"] == model["correct_offline"], model["name"]


def test_whole_and_streamed_have_the_same_bits(report: Any) -> None:
    assert {model["name"]: model["bits_differ"] for model in report["models"]} == dict.fromkeys(Plan().names, 0)


def test_the_server_counted_every_call_and_ended_well(report: Any) -> None:
    for model in report["models"]:
        for kind in ("predict", "stream"):
            assert model["server"][kind]["counted"] == model["server"][kind]["answered"] > model["sequences"]
    assert report["server_exit_code"] == 0


def test_the_report_keeps_its_schema(finished: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    schema, path = ROOT / "demo" / "report.schema.json", finished[0] / "report.json"
    command = [sys.executable, "-m", "check_jsonschema", "--schemafile", str(schema), str(path)]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_page_and_the_repository_are_there(finished: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    out, _ended = finished
    assert "Passed." in (out / "report.html").read_text()
    assert sorted(path.name for path in (out / "repository").iterdir() if path.is_dir()) == sorted(Plan().names)
