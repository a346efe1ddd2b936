"""`soloist serve` as an operator types it: where settings come from, and what it says when it can't start."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path

import pytest

from soloist import Client, SoloistError
from tests.graphs import Sums
from tests.integration.asking import asking, ones
from tests.servers import SERVE, environment, running_server


@pytest.fixture(scope="module")
def sums(tmp_path_factory: pytest.TempPathFactory) -> Path:
    repository = tmp_path_factory.mktemp("sums")
    Sums(name="sums").write(repository)
    return repository


def test_a_flag_wins_over_the_environment_and_that_over_the_file(sums: Path, tmp_path: Path) -> None:
    file = tmp_path / "soloist.toml"
    file.write_text('drain_seconds = 11\nmax_sequence_frames = 5\nmax_sessions = 1\nlog_format = "json"\n')
    flags = ("--drain-seconds", "13")
    with running_server(sums, tmp_path, *flags, config=file, drain_seconds=12, max_sequence_frames=6) as server:
        with asking(server.grpc) as asker, pytest.raises(SoloistError) as caught:
            asker.predict(ones(7))
        assert caught.value.facts["max_frames"] == "6"
        with Client(server.grpc) as client, client.stream("sums"), pytest.raises(SoloistError, match="the limit is 1"):
            client.stream("sums").__enter__()
        server.ask_to_stop()
        assert server.exit_code() == 0
        assert [line["drain_seconds"] for line in server.log() if line["event"] == "draining"] == [13]


@pytest.mark.parametrize(
    ("flags", "settings", "file", "said"),
    [
        ((), {}, "", "repository: field required"),
        (("--repository", "."), {"grpc_port": "70000"}, "", "grpc_port: input should be less than or equal to 65535"),
        (("--repository", "."), {}, "max_sesions = 5", "max_sesions: there is no such setting, did you mean max_"),
        (("--repository", ".", "--nonsense"), {}, "", "No such option"),
    ],
)
def test_wrong_settings_are_named(
    tmp_path: Path, flags: tuple[str, ...], settings: dict[str, str], file: str, said: str
) -> None:
    if file:
        (tmp_path / "settings.toml").write_text(file)
        settings = {**settings, "config": str(tmp_path / "settings.toml")}
    done = _serve(*flags, cwd=tmp_path, **settings)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not done.stdout


def test_a_missing_repository(tmp_path: Path) -> None:
    done = _serve("--repository", "nowhere", "--grpc-port", "0", "--http-port", "0", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "soloist: nowhere: No such file or directory\n"


@pytest.mark.parametrize("taken", ["--grpc-port", "--http-port"])
def test_a_taken_port(sums: Path, tmp_path: Path, taken: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = str(holder.getsockname()[1])
        ports = {"--grpc-port": "0", "--http-port": "0", taken: port}
        flags = [part for pair in ports.items() for part in pair]
        done = _serve("--repository", str(sums), *flags, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    line = done.stderr.splitlines()[-1]
    assert line.startswith("soloist: ")
    assert f"127.0.0.1:{port}" in line
    assert "Traceback" not in done.stderr


def _serve(*flags: str, cwd: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*SERVE, *flags],
        cwd=cwd,
        env=environment(settings),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
