"""The access log of a real server: one line a call on every API, rotated, and nothing of what users sent."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest

from soloist.v1 import sequence_inference_pb2 as pb
from tests.graphs import Sums
from tests.integration.asking import CLOSE, Asker, asking, chunk, ones, opening
from tests.servers import RunningServer, eventually, running_server


@dataclass(frozen=True)
class Logged:
    server: RunningServer
    file: Path

    def lines(self, count: int) -> list[dict[str, Any]]:
        """Wait for so many lines."""
        assert eventually(lambda: self.file.exists() and self.file.read_text().count("\n") >= count)
        return [json.loads(line) for line in self.file.read_text().splitlines()]


@pytest.fixture
def logged(tmp_path: Path, transport: str) -> Iterator[Logged]:
    Sums(name="sums").write(tmp_path / "repository")
    file = tmp_path / "access.log"
    with running_server(tmp_path / "repository", tmp_path, transport=transport, access_log=file) as server:
        yield Logged(server, file)


def predict(asker: Asker, model: str = "sums") -> None:
    request = pb.PredictRequest(model=model, frames=ones(5))
    asker.stub.Predict(request, metadata=(("authorization", "Bearer very-secret"),), timeout=30)


def test_one_line_a_call(logged: Logged) -> None:
    with asking(logged.server.grpc) as asker:
        predict(asker)
        with pytest.raises(grpc.RpcError):
            predict(asker, "nobody")
        asker.converse(opening(), chunk(0, ones(3)), chunk(3, ones(4)), CLOSE)
    connection = http.client.HTTPConnection(logged.server.http, timeout=30)
    connection.request("GET", "/v2/models/sums")
    connection.getresponse().read()
    connection.close()
    lines = logged.lines(4)
    said = [(each["api"], each["code"], each.get("reason"), each.get("model"), each["frames"]) for each in lines]
    assert said == [
        ("Predict", "OK", None, "sums", 5),
        ("Predict", "NOT_FOUND", "MODEL_NOT_FOUND", None, 0),
        ("Stream", "OK", None, "sums", 7),
        ("ModelMetadata", "OK", None, "sums", 0),
    ]
    assert lines[3]["route"] == "GET /v2/models/{model}"
    assert len(lines[2]["session_id"]) == 32
    assert all(each["seconds"] > 0 and "127.0.0.1" in each["peer"] and each["time"][10] == "T" for each in lines)
    assert "secret" not in logged.file.read_text()


def test_a_rotated_file_is_opened_again(logged: Logged) -> None:
    with asking(logged.server.grpc) as asker:
        predict(asker)
        assert len(logged.lines(1)) == 1
        logged.file.rename(logged.file.with_suffix(".1"))
        predict(asker)
        assert len(logged.lines(1)) == 1
        assert logged.file.with_suffix(".1").read_text().count("\n") == 1
        logged.file.unlink()
        predict(asker)
        assert len(logged.lines(1)) == 1
    assert logged.server.total("soloist_access_log_lines_left_out_total") == 0


def test_lines_that_wait_are_written_at_the_end_and_processes_say_which_they_are(tmp_path: Path) -> None:
    Sums(name="sums").write(tmp_path / "repository")
    file = tmp_path / "access.log"
    with running_server(tmp_path / "repository", tmp_path, access_log=file, processes=2) as server:
        with asking(server.grpc) as asker:
            for _ in range(20):
                predict(asker)
        server.ask_to_stop()
        assert server.exit_code() == 0
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert len(lines) == 20
    assert {each["process"] for each in lines} <= {1, 2}


def test_a_disk_that_is_full_loses_lines_and_no_call(tmp_path: Path) -> None:
    Sums(name="sums").write(tmp_path / "repository")
    with (
        running_server(tmp_path / "repository", tmp_path, access_log="/dev/full") as server,
        asking(server.grpc) as asker,
    ):
        predict(asker)
        predict(asker)
        assert eventually(lambda: server.total("soloist_access_log_lines_left_out_total") == 2)


def test_a_file_that_cannot_be_opened_ends_the_start(tmp_path: Path) -> None:
    Sums(name="sums").write(tmp_path / "repository")
    with (
        pytest.raises(AssertionError, match="No such file or directory"),
        running_server(tmp_path / "repository", tmp_path, access_log=tmp_path / "none" / "access.log"),
    ):
        pass
