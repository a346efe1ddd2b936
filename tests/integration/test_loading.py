"""One model that can't be loaded, or takes for ever, keeps nobody from the others, nor the server from its end."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from soloist import Admin, Client, SoloistError
from tests.graphs import Sums
from tests.servers import RunningServer, eventually, running_server
from tests.third_party import ENDLESS

_X = [[1.0, 2.0]]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    Sums(name="sums").write(folder)
    return folder


def test_a_pipe_is_no_model(repository: Path, tmp_path: Path) -> None:
    folder = repository / "pipe" / "1"
    folder.mkdir(parents=True)
    os.mkfifo(folder / "model.onnx")
    with running_server(repository, tmp_path) as server:
        _assert_others_answer(server)
        assert "no regular file" in _cause(server, "pipe")


@pytest.mark.parametrize("file", ["config.pbtxt", "labels.json", "1/certificate.json"])
@pytest.mark.parametrize("kind", ["pipe", "device", "deep", "bytes"])
def test_a_file_beside_a_model_is_that_models_fault(repository: Path, tmp_path: Path, file: str, kind: str) -> None:
    path = Sums(name="odd").write(repository).parent.parent / file
    match kind:
        case "pipe":
            os.mkfifo(path)
        case "device":
            path.symlink_to("/dev/zero")
        case "deep":
            path.write_text("[" * 100_000)
        case "bytes":
            path.write_bytes(b"\xff\xfe\x00")
    with running_server(repository, tmp_path) as server:
        _assert_others_answer(server)
        assert server.process.poll() is None
        if file != "1/certificate.json":  # a model that says itself what it is has none beside it
            assert _cause(server, "odd")


def test_a_first_run_without_end_is_given_up(repository: Path, tmp_path: Path) -> None:
    ENDLESS.write(repository)
    with running_server(repository, tmp_path, load_timeout_seconds=1) as server:
        _assert_others_answer(server)
        assert _cause(server, "endless") == "it took longer than load_timeout_seconds (1 s)"
        server.ask_to_stop()
        assert server.exit_code() == 0


def test_loads_that_hang_keep_nobody_waiting(repository: Path, tmp_path: Path) -> None:
    with (
        running_server(repository, tmp_path, load_timeout_seconds=12, workers=2) as server,
        Admin(server.grpc) as admin,
    ):
        for name in ("first", "second"):
            ENDLESS.write(repository).parent.parent.rename(repository / name)
        with ThreadPoolExecutor(2) as callers:
            hanging = [callers.submit(admin.load, name) for name in ("first", "second")]
            assert eventually(lambda: _state(server, "first") == _state(server, "second") == "LOADING")
            admin.load("sums")
            admin.unload("sums")
            admin.load("sums")
            _assert_others_answer(server)
            assert not any(each.done() for each in hanging)
            for each in hanging:
                error = each.exception()
                assert isinstance(error, SoloistError)
                assert error.reason == "MODEL_UNAVAILABLE"
        assert "load_timeout_seconds" in _cause(server, "first")


def test_a_load_that_hangs_holds_up_no_end(repository: Path, tmp_path: Path) -> None:
    with running_server(repository, tmp_path, load_timeout_seconds=600, repository_poll_seconds=0.05) as server:
        ENDLESS.write(repository)
        assert eventually(lambda: _state(server, "endless") == "LOADING")
        assert server.get("/readyz") == (200, "ready\n")
        server.ask_to_stop()
        assert server.exit_code() == 0


def test_ready_when_all_can_be_called(repository: Path, tmp_path: Path) -> None:
    with running_server(repository, tmp_path, ready_when="all", repository_poll_seconds=0.05) as server:
        assert server.get("/readyz") == (200, "ready\n")
        broken = repository / "broken" / "1"
        broken.mkdir(parents=True)
        (broken / "model.onnx").write_bytes(b"no model")
        assert eventually(lambda: server.get("/readyz")[0] == 503)
        assert "broken" in server.get("/readyz")[1]
        assert "sums" not in server.get("/readyz")[1]
        _assert_answers(server)


def test_ready_when_those_named_can_be_called(repository: Path, tmp_path: Path) -> None:
    with running_server(repository, tmp_path, ready_when="sums,other", repository_poll_seconds=0.05) as server:
        status, text = server.get("/readyz")
        assert (status, "other" in text) == (503, True)
        Sums(name="other").write(repository)
        assert eventually(lambda: server.get("/readyz") == (200, "ready\n"))


def test_labels_that_do_not_fit_are_refused(repository: Path, tmp_path: Path) -> None:
    for name, labels in (("few", ["a"]), ("all", ["a", "b"]), ("more", ["a", "b", "c"])):
        sums = Sums(name=name)
        manifest = sums.manifest
        manifest.labels.extend(labels)
        sums.write(repository, manifest=manifest)
    with running_server(repository, tmp_path) as server, Client(server.grpc) as client:
        assert _cause(server, "few") == "it has 1 labels for 2 outputs"
        assert _cause(server, "more") == "it has 3 labels for 2 outputs"
        assert client.predict("all", _X).label == "b"


def _assert_others_answer(server: RunningServer) -> None:
    assert server.get("/readyz") == (200, "ready\n")
    _assert_answers(server)


def _assert_answers(server: RunningServer) -> None:
    with Client(server.grpc) as client:
        assert client.predict("sums", _X).outputs.tolist() == [1.0, 2.0]


def _status(server: RunningServer, name: str) -> tuple[str, str]:
    with Client(server.grpc) as client:
        found = [each for each in client.models() if each.name == name]
        return (found[0].state.name, found[0].reason) if found else ("", "")


def _state(server: RunningServer, name: str) -> str:
    return _status(server, name)[0]


def _cause(server: RunningServer, name: str) -> str:
    return _status(server, name)[1]
