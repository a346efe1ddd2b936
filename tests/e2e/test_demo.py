"""`soloist demo` from beginning to end, with one epoch, some sequences and a second of load: the same program."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from bench import promise
from demo.normalisers.variants import KINDS, name_of
from demo.plan import ARCHITECTURES, Plan
from export.certification import read_model
from models.data import load
from soloist import Client
from tests.artifacts import ROOT
from tests.e2e.whole_program import TIMEOUT_SECONDS, run_to_end
from tests.servers import TRANSPORTS, running_server

pytestmark = pytest.mark.timeout(TIMEOUT_SECONDS)
COMPARED = [name_of(architecture, kind) for architecture in ARCHITECTURES for kind in KINDS]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    out = tmp_path_factory.mktemp("demo")
    sizes = ("--epochs", "1", "--sequences", "96", "--load-seconds", "0.5")
    return out, run_to_end("-m", "soloist.cli.main", "demo", "--out", str(out), *sizes)


@pytest.fixture(scope="module")
def report(finished: tuple[Path, subprocess.CompletedProcess[str]]) -> Any:
    out, ended = finished
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return json.loads((out / "report.json").read_text())


def test_it_passes_and_prints_a_row_a_model(finished: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    _out, ended = finished
    assert ended.returncode == 0, ended.stdout + ended.stderr
    rows = [line.split()[0] for line in ended.stdout.splitlines() if line.strip().startswith("vowels-")]
    assert rows == [*COMPARED, *Plan().names]


def test_company_changes_nothing_but_the_control(report: Any) -> None:
    rows = {row["name"]: row for row in report["normalisers"]}
    assert list(rows) == COMPARED
    for name, row in rows.items():
        is_control_of_the_batch = name.endswith("-batch_current")
        assert (row["bits_differ"] > 0) == is_control_of_the_batch, name
        assert (row["class_differs"] > 0) == is_control_of_the_batch, name
        assert row["correct_offline"] == row["conditions"][0]["correct"], name


def test_rows_really_shared_runs(report: Any) -> None:
    for row in report["normalisers"]:
        alone, *company = row["conditions"]
        assert (alone["min_batch_size"], alone["max_batch_size"], alone["padded_ratio"]) == (1, 1, 0)
        for each in company:
            assert each["missed"] == 0
            assert 2 <= each["min_batch_size"] <= each["mean_batch_size"] <= each["max_batch_size"] <= 32
            assert each["padded_ratio"] > 0


def test_wrong_statistics_have_the_weights_of_the_right_ones(finished: Any) -> None:
    out, _ended = finished
    models = {name: read_model(out / "repository" / name / "1" / "model.onnx") for name in COMPARED}
    for architecture in ("lstm", "tcn"):
        right = models[f"vowels-{architecture}-batch"]
        for suffix in ("shifted", "few"):
            wrong = models[f"vowels-{architecture}-batch-{suffix}"]
            origin = wrong.provenance.recalibration.origin_checkpoint_sha256
            assert origin == right.provenance.checkpoint_sha256
            assert (wrong.norm, wrong.control) == ("batch", True)
            assert wrong.norm_layers[0].recalibrated.mean != right.norm_layers[0].precise.mean


def test_every_transport_gives_real_data_the_same_bits_and_keeps_them_in_company(finished: Any, tmp_path: Path) -> None:
    out, _ended = finished
    dataset = load("vowels")
    sequences = dataset.test.sequences[:12]
    answers = {}
    for transport in TRANSPORTS:
        with running_server(out / "repository", tmp_path, transport=transport) as server, Client(server.grpc) as client:
            answers[transport] = [
                client.predict(name, frames, every_frame=True).outputs.tobytes()
                for name in Plan().names
                for frames in sequences
            ]
            flags = ["--server", server.grpc, "--http", server.http, "--requests", "12", "--concurrency", "12"]
            found = CliRunner().invoke(promise.main, [*flags, *(f"--model={name}" for name in Plan().names)])
            assert found.exit_code == 0, found.output
    assert answers["grpc"] == answers["httpunk"]


def test_compare_finds_the_control_and_no_wrong_statistics(finished: Any, tmp_path: Path, transport: str) -> None:
    out, _ended = finished
    with running_server(out / "repository", tmp_path, transport=transport) as server, Client(server.grpc) as client:
        found = client.compare("vowels-tcn-layer", np.load(out / "frames.npy"))
    layer, batch, control = found.models
    assert [each.model for each in found.models] == [
        f"vowels-tcn-{norm}" for norm in ("layer", "batch", "batch_current")
    ]
    assert all(outcome.deviation.same_bits for each in (layer, batch) for outcome in each.outcomes if outcome.deviation)
    assert any(not outcome.deviation.same_bits for outcome in control.outcomes if outcome.deviation)
    assert control.twin == batch.model


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
    assert (out / "normalisers.svg").read_text().startswith("<svg")
    assert sorted(path.name for path in (out / "repository").iterdir() if path.is_dir()) == sorted(
        {*Plan().names, *COMPARED}
    )
