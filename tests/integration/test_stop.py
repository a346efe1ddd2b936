"""What never keeps a server: runs that nothing ends, a locked log, a pipe nobody reads, a terminal that has gone."""

from __future__ import annotations

import fcntl
import os
import signal
import sqlite3
import subprocess
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import grpc
import pytest

from soloist import Client, SoloistError
from soloist.client.errors import from_rpc_error
from soloist.v1 import sequence_inference_pb2 as pb
from tests.graphs import Sums
from tests.integration.asking import asking, ones, tensor
from tests.integration.drain import await_drain
from tests.integration.labelling import write_classifier
from tests.servers import SERVE, RunningServer, environment, eventually, running_server
from tests.third_party import STUCK

# Far more than `drain_seconds` and 2, since machines are busy; what hung before never ended.
_PATIENCE_SECONDS = 20


@pytest.fixture(scope="module")
def sums(tmp_path_factory: pytest.TempPathFactory) -> Path:
    repository = tmp_path_factory.mktemp("sums")
    Sums(name="sums").write(repository)
    return repository


@pytest.mark.parametrize("at_once", [False, True])
def test_a_terminal_that_closes_cuts_nothing(sums: Path, tmp_path: Path, transport: str, at_once: bool) -> None:
    """Its kernel and its shell send SIGHUP one each, and systemd one behind SIGTERM.

    To a process that wasn't running meanwhile they come by number, SIGHUP first.
    """
    signals = (signal.SIGTERM, signal.SIGHUP, signal.SIGHUP)
    with running_server(sums, tmp_path, transport=transport) as server, Client(server.grpc) as client:
        with client.stream("sums") as stream:
            stream.send([[1.0, 1.0]])
            for number in (signal.SIGSTOP, *signals, signal.SIGCONT) if at_once else signals:
                server.process.send_signal(number)
            await_drain(server)
            assert stream.send([[1.0, 2.0]]).outputs.tolist() == [2.0, 3.0]
        assert server.exit_code() == 0


def test_answers_are_in_the_log_after_a_hangup(tmp_path: Path) -> None:
    write_classifier(tmp_path / "repository")
    settings: dict[str, Any] = {"prediction_log": tmp_path / "log.db", "prediction_log_flush_seconds": 60}
    with running_server(tmp_path / "repository", tmp_path, **settings) as server:
        with Client(server.grpc) as client:
            for _ in range(5):
                client.predict("sums", [[1.0, 2.0]])
        server.process.send_signal(signal.SIGHUP)
        assert server.exit_code() == 0
    assert _logged(tmp_path / "log.db") == 5


def test_a_log_that_another_program_locks_holds_up_nothing(tmp_path: Path) -> None:
    write_classifier(tmp_path / "repository")
    settings: dict[str, Any] = {"prediction_log": tmp_path / "log.db", "drain_seconds": 0}
    with (
        running_server(tmp_path / "repository", tmp_path, **settings) as server,
        closing(sqlite3.connect(tmp_path / "log.db", isolation_level=None)) as other,
    ):
        other.execute("BEGIN IMMEDIATE")
        with Client(server.grpc) as client:
            client.predict("sums", [[1.0, 2.0]])
        server.ask_to_stop()
        began = time.monotonic()
        server.process.wait(timeout=_PATIENCE_SECONDS)
        assert time.monotonic() - began < 4.5  # SQLite's own patience is 5 seconds


def test_a_log_that_is_unlocked_in_time_has_the_answers(tmp_path: Path) -> None:
    write_classifier(tmp_path / "repository")
    waiting = {"prediction_log_flush_seconds": 60, "drain_seconds": 1}
    settings: dict[str, Any] = {"prediction_log": tmp_path / "log.db", **waiting}
    with running_server(tmp_path / "repository", tmp_path, **settings) as server:
        with Client(server.grpc) as client:
            client.predict("sums", [[1.0, 2.0]])
        with closing(sqlite3.connect(tmp_path / "log.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            server.ask_to_stop()
            assert eventually(lambda: "draining" in server.stderr.read_text())
        assert server.exit_code() == 0
    assert _logged(tmp_path / "log.db") == 1


@pytest.mark.parametrize("signals", [1, 2])
def test_a_pipe_that_nobody_reads_holds_up_nothing(sums: Path, signals: int, transport: str) -> None:
    """A supervisor that stopped reading: calls are answered, and the process ends."""
    command = [*SERVE, "--repository", str(sums), "--grpc-port", "0", "--http-port", "0"]
    settings: dict[str, Any] = {"drain_seconds": 0.5, "log_level": "debug", "log_format": "json"}
    settings["transport"] = transport
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(settings)
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stderr is not None
            fcntl.fcntl(process.stderr, fcntl.F_SETPIPE_SZ, 4096)
            target = dict(part.split("=", 1) for part in process.stdout.readline().split()[2:])["grpc"]
            with asking(target) as asker:
                for index in range(12):
                    with suppress(SoloistError):
                        asker.predict(ones(3), model=f"{index}-{'x' * 200}")  # 600 bytes a line and more
                assert asker.predict(ones(3)).outputs.shape == [2]
            for _ in range(signals):
                process.terminate()
            process.wait(timeout=_PATIENCE_SECONDS)
        finally:
            process.kill()


def test_a_terminal_that_has_gone_does_not_end_the_drain(sums: Path, transport: str) -> None:
    ours, theirs = os.openpty()
    command = [*SERVE, "--repository", str(sums), "--grpc-port", "0", "--http-port", "0"]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=theirs,
        stdin=theirs,
        text=True,
        env=environment({"transport": transport}),
    ) as process:
        os.close(theirs)
        try:
            assert process.stdout is not None
            target = dict(part.split("=", 1) for part in process.stdout.readline().split()[2:])["grpc"]
            with Client(target) as client, client.stream("sums") as stream:
                stream.send([[1.0, 1.0]])
                os.close(ours)
                process.stdout.close()
                process.send_signal(signal.SIGHUP)
                assert stream.send([[1.0, 2.0]]).outputs.tolist() == [2.0, 3.0]
            assert process.wait(timeout=_PATIENCE_SECONDS) == 0
        finally:
            process.kill()


@pytest.mark.parametrize("signals", [1, 2])
def test_a_run_that_nothing_ends_holds_up_nothing(tmp_path: Path, signals: int, transport: str) -> None:
    STUCK.write(tmp_path / "repository")
    settings: dict[str, Any] = {"drain_seconds": 0.5 if signals == 1 else 3600, "workers": 1}
    settings["transport"] = transport
    with running_server(tmp_path / "repository", tmp_path, **settings) as server, asking(server.grpc) as asker:
        left = asker.stub.Predict.future(pb.PredictRequest(model="stuck", frames=tensor([[300_000]])))
        assert eventually(lambda: _cpu_seconds(server) > 3)
        for _ in range(signals):
            server.ask_to_stop()
            assert eventually(lambda: "draining" in server.stderr.read_text())
        assert server.process.wait(timeout=_PATIENCE_SECONDS) == (0 if signals == 1 else 1)
        assert _reason(left.exception()) == "SERVER_DRAINING"
    assert "stopped" in server.stderr.read_text()


def _reason(error: BaseException | None) -> str:
    assert isinstance(error, grpc.RpcError)
    return from_rpc_error(error).reason


def _cpu_seconds(server: RunningServer) -> float:
    return server.samples("process_cpu")["process_cpu_seconds_total"][()]


def _logged(path: Path) -> int:
    with closing(sqlite3.connect(path)) as log:
        return int(log.execute("SELECT count(*) FROM predictions").fetchone()[0])
