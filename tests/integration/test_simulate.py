"""Simulation against a real server: what it says was sent and reported is what the server has seen."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from models.config import TaskSpec
from models.data import Dataset, Split
from simulation.run import simulate
from simulation.scenario import ScenarioError, scenario
from simulation.tally import Tally
from soloist import Monitor
from tests.graphs import Sums
from tests.servers import USUAL_TRANSPORT, RunningServer, eventually, running_server

LABELS = ("left", "right")
MODEL = Sums(name="sums")
SIMULATE = (sys.executable, "-m", "soloist.cli.main", "simulate")


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("simulated")
    manifest = MODEL.manifest
    manifest.labels.extend(LABELS)
    MODEL.write(folder / "repository", manifest=manifest)
    with running_server(
        folder / "repository",
        folder,
        prediction_log=folder / "log.db",
        prediction_log_flush_seconds=0.05,
        accuracy_windows="1h",
        accuracy_refresh_seconds=0.05,
    ) as server:
        yield server


@pytest.fixture
def dataset() -> Dataset:
    """Sequences whose larger feature is their class, so that the model is always right."""
    labels = np.arange(20) % 2
    sequences = [np.eye(2, dtype=np.float32)[[label] * (3 + label)] for label in labels]
    split = Split(sequences=sequences, labels=labels)
    spec = TaskSpec(name="toy", frames="features", feature_count=2, labels=LABELS)
    return Dataset(name="toy", spec=spec, train=split, test=split, sha256="")


def play(server: str, dataset: Dataset, *shifts: str, **fields: object) -> Tally:
    given = {"model": MODEL.name, "task": "toy", "rate_per_second": 60, "seconds": 1.5, "stream_ratio": 0.5, **fields}
    return asyncio.run(simulate(scenario(given, shifts), dataset, server))


def test_the_server_counts_what_was_sent_and_reported(logged: RunningServer, dataset: Dataset) -> None:
    policy = {"delay": "exponential", "mean_seconds": 0.1, "missing_ratio": 0.3, "repeated_ratio": 0.2}
    tally = play(logged.grpc, dataset, "concept:begin_seconds=0.75", labels=policy, chunk_frames=10)
    before, after = tally.phases
    sent = before.sent + after.sent
    assert sent == tally.answers > 0
    assert before.accuracy == 1.0
    assert after.accuracy == 0.0
    outcomes = before.labels + after.labels
    assert set(outcomes) <= {"joined", "pending", "repeated"}
    assert sum(outcomes.values()) == before.labels_planned + after.labels_planned

    def settled() -> bool:
        with Monitor(logged.grpc) as monitor:
            (version,) = monitor.accuracy(MODEL.name)
        total = version.windows[0].total
        # Labels that wait are joined later; one that is sent again while it waits is pending a second time.
        most = outcomes["joined"] + outcomes["pending"]
        are_joined = outcomes["joined"] <= total.labels <= most and abs(total.label_coverage - 0.7) <= 0.2
        return total.answers == sent and are_joined

    assert eventually(settled)
    with Monitor(logged.grpc) as monitor:
        total = monitor.accuracy(MODEL.name)[0].windows[0].total
    assert 0 < total.correct < total.labels


def test_a_model_of_other_classes_is_refused(logged: RunningServer, dataset: Dataset) -> None:
    other = TaskSpec(name="toy", frames="features", feature_count=2, labels=("up", "down"))
    with pytest.raises(ScenarioError, match="does not tell the classes"):
        play(logged.grpc, Dataset(name="toy", spec=other, train=dataset.train, test=dataset.test, sha256=""))


def test_the_command_tells_each_phase_and_labels_that_nobody_takes(
    servers: Callable[[str], RunningServer],
) -> None:
    options = ["--model", "vowels-tcn-layer", "--task", "vowels", "--rate", "40", "--seconds", "1", "--json"]
    options += ["--shift", "gain:factor=2,begin_seconds=0.5", "--label-delay", "constant", "--label-mean-seconds", "0"]
    ended = subprocess.run(
        [*SIMULATE, "--server", servers(USUAL_TRANSPORT).grpc, *options], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    phases = json.loads(ended.stdout)["phases"]
    assert [phase["phase"] for phase in phases] == ["0 to 0.5 s: no shift", "from 0.5 s: gain factor=2"]
    for phase in phases:
        assert phase["answered"] == phase["sent"] > 0
        assert phase["labels"] == {"FEEDBACK_OFF": phase["labels_planned"]}


def test_wrong_usage_and_an_absent_server_have_their_exit_codes(tmp_path: Path) -> None:
    file = tmp_path / "scenario.toml"
    file.write_text('model = "m"\ntask = "vowels"\nseconds = 1\n')
    for options, code in ((["--shift", "gain:factor=-1"], 2), (["--timeout-seconds", "0.5"], 1)):
        command = [*SIMULATE, "--server", "localhost:1", "--scenario", str(file), *options]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        assert ended.returncode == code, ended.stderr
        assert ended.stderr.startswith("soloist: ")
