"""The monitoring demonstration from beginning to end, with one seed, two epochs and short phases: the same program."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.whole_program import TIMEOUT_SECONDS, run_to_end

pytestmark = pytest.mark.timeout(TIMEOUT_SECONDS)
SHIFT = "gain 1/2"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    out = tmp_path_factory.mktemp("monitoring")
    # In phases of 4 s a busy machine samples fewer sequences than the gates need.
    sizes = ("--seeds", "1", "--epochs", "2", "--rate", "90", "--phase-seconds", "7")
    shifts = ("--live-shift", SHIFT, "--offline-shift", "none", "--offline-shift", SHIFT)
    return out, run_to_end("-m", "demo.monitoring", "--out", str(out), *sizes, *shifts)


@pytest.fixture(scope="module")
def report(finished: tuple[Path, subprocess.CompletedProcess[str]]) -> Any:
    out, ended = finished
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return json.loads((out / "report.json").read_text())


def test_everything_promised_is_measured(report: Any) -> None:
    assert report["passed"]
    assert report["failures"] == []
    assert [phase["letter"] for phase in report["live"]["phases"]] == ["A", "B1", "C1", "D"]
    assert {row["shift"] for row in report["offline"]} == {"none", SHIFT}


def test_every_request_was_answered_and_every_label_has_an_outcome(report: Any) -> None:
    for phase in report["live"]["phases"]:
        assert phase["sent"] == phase["answered"] > 0
        assert phase["refused"] == {}
        assert set(phase["outcomes"]) <= {"joined", "pending", "repeated", "contradictory", "run-over"}


def test_the_recalibrated_version_answers_beside_the_stale_one_and_its_sibling(report: Any) -> None:
    roles = [{matured["role"] for matured in phase["matured"]} for phase in report["live"]["phases"]]
    assert roles == [{"batch", "layer"}, {"batch", "layer"}, {"batch", "layer", "recalibrated"}, {"batch", "layer"}]


def test_the_recalibration_passes_every_gate_with_the_default_bounds(report: Any) -> None:
    (proposal,) = report["live"]["proposals"]
    assert (proposal["version"], proposal["shift"], proposal["passed"]) == (3, SHIFT, True)
    *decided, shadow = proposal["gates"]
    assert [gate.split(":")[0] for gate in decided] == [
        "passed  enough sequences",
        "passed  independent in time",
        "passed  lower skew",
        "passed  higher accuracy",
    ]
    assert "labels" in decided[-1].rsplit("; rests on ", 1)[1]
    assert "of shadow version 2" in shadow


def test_the_shift_crosses_the_thresholds_of_the_stale_model(report: Any) -> None:
    shifted = report["live"]["phases"][1]
    assert any(
        point["crossed"]
        for point in report["live"]["skew"]
        if point["version"] == 1 and shifted["begin_seconds"] <= point["at_seconds"] <= shifted["end_seconds"]
    )


def test_what_is_printed_and_the_page(finished: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    out, ended = finished
    for reported in ("Offline, the whole held-out set", "Live, percent", "Skew beyond a threshold", "higher accuracy"):
        assert reported in ended.stdout
    assert "All was measured." in (out / "report.html").read_text()
