"""Whoever watches answers may fail as it likes: real servers whose observers raise answer, count it and go on."""

from __future__ import annotations

from pathlib import Path

import pytest

from soloist import Client
from tests.integration.labelling import sequence, write_classifier
from tests.servers import SERVE, eventually, running_server

# A program whose observers fail, and which is else the same.
FAILING = """
import sys
from importlib import import_module

def fail(*_args, **_named):
    raise KeyError("what nobody foresaw")

for place in {places}:
    module, owner, name = place.split(" ")
    setattr(getattr(import_module(module), owner), name, fail)
sys.argv = ["soloist", *sys.argv[3:]]
import_module("soloist.cli.main").main()
"""
EVERYBODY = {
    "service.observers.feedback.prediction_log PredictionLog answered": "prediction-log",
    "service.observers.skew.watch SkewWatch observe": "skew",
    "service.observers.live_check LiveCheck observe": "live-check",
    "service.serving.recorder Recorder ran": "statistics",
    "service.observers.shadow ShadowSequence __init__": "shadow",
}


# A repository whose second and third look fail, in a way that nobody foresaw.
LOOKING = """
import sys
from importlib import import_module

manager = import_module("service.repository.manager")
looked, looks = manager.read_model_folders, iter(range(1000000))

def read_model_folders(*args, **named):
    if next(looks) in (1, 2):
        raise RecursionError("what nobody foresaw")
    return looked(*args, **named)

manager.read_model_folders = read_model_folders
sys.argv = ["soloist", *sys.argv[3:]]
import_module("soloist.cli.main").main()
"""


def failing(*places: str) -> tuple[str, ...]:
    return (SERVE[0], "-c", FAILING.format(places=places), *SERVE[1:])


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    write_classifier(tmp_path / "repository")
    write_classifier(tmp_path / "repository", version=2)
    (tmp_path / "repository" / "sums" / "labels.json").write_text('{"labels": {"stable": 1}, "shadow": 2}')
    return tmp_path / "repository"


def test_an_answer_does_not_depend_on_who_watches_it(repository: Path, tmp_path: Path) -> None:
    settings = {"prediction_log": tmp_path / "log.db", "live_check_ratio": 1, "log_format": "json"}
    with running_server(repository, tmp_path, program=failing(*EVERYBODY), **settings) as server:
        with Client(server.grpc) as client:
            for _ in range(3):
                assert client.predict("sums", sequence(1)).label == "right"
            with client.stream("sums") as stream:
                assert stream.send(sequence(1)).label == "right"
                assert stream.send(sequence(0)).label is not None
        failed = {
            worker: server.total("soloist_background_failures_total", worker=worker) for worker in EVERYBODY.values()
        }
        assert failed == {"prediction-log": 5, "skew": 5, "live-check": 5, "statistics": 5, "shadow": 4}
        told = [line["worker"] for line in server.log() if line["event"] == "background work failed"]
        assert sorted(set(told)) == sorted(EVERYBODY.values())
        assert len(told) <= len(EVERYBODY) + 1  # a stream's shadow begins at another place
        assert server.get("/readyz") == (200, "ready\n")
        server.ask_to_stop()
        assert server.exit_code() == 0


def test_threads_beside_the_answers_outlive_what_fails_on_them(repository: Path, tmp_path: Path) -> None:
    places = (
        "service.observers.feedback.prediction_log PredictionLog shadowed",
        "service.observers.skew.watch SkewWatch observe",
    )
    with running_server(repository, tmp_path, program=failing(*places), prediction_log=tmp_path / "log.db") as server:
        with Client(server.grpc) as client:
            for _ in range(10):
                client.predict("sums", sequence(1))
        assert eventually(lambda: server.total("soloist_shadow_steps_total", outcome="equal-bits") == 10)
        assert server.total("soloist_background_failures_total", worker="shadow") == 20


def test_a_page_shows_what_can_be_shown(repository: Path, tmp_path: Path) -> None:
    places = ("prometheus_client ProcessCollector collect", "service.observers.feedback.metrics AccuracyGauges collect")
    with running_server(repository, tmp_path, program=failing(*places), prediction_log=tmp_path / "log.db") as server:
        for _ in range(3):
            samples = server.samples()
        assert samples["soloist_workers"]
        assert "process_cpu_seconds_total" not in samples
        assert server.total("soloist_background_failures_total", worker="metrics") >= 6


def test_the_repository_is_followed_after_looks_that_failed(repository: Path, tmp_path: Path) -> None:
    program = (SERVE[0], "-c", LOOKING, *SERVE[1:])
    with running_server(
        repository, tmp_path, program=program, repository_poll_seconds=0.05, log_format="json"
    ) as server:
        assert eventually(lambda: server.total("soloist_background_failures_total", worker="repository") == 2)
        write_classifier(repository, version=3)
        (repository / "sums" / "labels.json").write_text('{"labels": {"stable": 3}}')
        assert eventually(lambda: server.total("soloist_model_info", version="3") == 1)
        told = [line for line in server.log() if line["event"] == "repository not followed"]
        assert [(line["worker"], line["error"]) for line in told] == [("repository", "RecursionError")]
        assert server.get("/readyz") == (200, "ready\n")
