"""`soloist doctor` as an operator runs it: without a server, beside one, and when something is wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.graphs import Sums
from tests.redis_process import running_redis
from tests.servers import environment, running_server

DOCTOR = (sys.executable, "-m", "soloist.cli.main", "doctor")


def diagnosed(*words: str, **settings: object) -> tuple[int, dict[str, Any]]:
    """Return the exit code, and what is printed as JSON."""
    done = subprocess.run(
        [*DOCTOR, "--json", *words], env=environment(settings), capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


@pytest.fixture(scope="module")
def sums(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("repository")
    Sums(name="sums").write(folder)
    return folder


def test_beside_a_running_server(sums: Path, tmp_path: Path, transport: str) -> None:
    with running_server(sums, tmp_path, transport=transport) as server:
        port = server.grpc.rpartition(":")[2]
        code, said = diagnosed(
            *("--repository", str(sums), "--target", server.grpc, "--no-models"),
            *("--set", f"grpc-port={port}", "--set", "http_port=0"),
        )
    assert (code, said["ok"]) == (0, True)
    told = {each["what"]: each["found"] for each in said["findings"] if each["area"] == "running server"}
    assert told == {server.grpc: "answers; 1 of 1 versions are ready", "sums version 1": "ready"}
    (grpc,) = [each for each in said["findings"] if (each["area"], each["what"]) == ("ports", "gRPC")]
    assert f"(pid {server.process.pid})" in grpc["found"]


def test_without_a_server_and_with_much_that_is_wrong(tmp_path: Path) -> None:
    code, said = diagnosed("--target", "127.0.0.1:1", repository=tmp_path, prediction_log=tmp_path / "no" / "log")
    assert (code, said["ok"]) == (1, False)
    wrong = {(each["area"], each["what"]) for each in said["findings"] if each["verdict"] == "wrong"}
    assert wrong >= {("disk", "prediction log"), ("models", "repository"), ("running server", "127.0.0.1:1")}
    assert all(each["remedy"] for each in said["findings"] if each["verdict"] != "ok")


def test_as_text(sums: Path) -> None:
    command = [*DOCTOR, "--repository", str(sums), "--set", "grpc_port=0", "--set", "http_port=0"]
    done = subprocess.run(command, env=environment({}), capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert "sums version 1: loads, certificate" in done.stdout
    assert "   grpc_port: 0 (--grpc-port)" in done.stdout
    assert "drain_seconds" not in done.stdout
    assert "0 wrong" in done.stdout.splitlines()[-1]


def test_whether_the_sequence_store_answers_and_what_lies_in_it(sums: Path, tmp_path: Path) -> None:
    with running_redis(tmp_path) as redis:
        url = redis.url.replace("//", "//:a-secret@")
        settings = {"repository": sums, "sequence_store": redis.url, "sequence_store_plaintext": True}
        _, said = diagnosed("--no-models", **settings)
        told = {each["what"]: each for each in said["findings"] if each["area"] == "sequence store"}
        assert told["store"]["found"].startswith(f"{redis.url} answers")
        assert told["states"]["verdict"] == "note"
        redis.kill()
        for settings["sequence_store_plaintext"], found in ((True, "doesn't answer"), (False, "needs keys_file")):
            code, said = diagnosed("--no-models", **settings | {"sequence_store": url})
            (store,) = [each for each in said["findings"] if each["area"] == "sequence store"]
            assert (code, store["verdict"]) == (1, "wrong")
            assert found in store["found"]
            assert "a-secret" not in json.dumps(said)
