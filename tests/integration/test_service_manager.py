"""The server under a service manager: what it tells over a real notify socket, and what a crash leaves behind."""

from __future__ import annotations

import os
import queue
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from soloist import Admin
from tests.graphs import Sums
from tests.integration.processes import members
from tests.servers import SERVE, running_server

UNIT = Path(__file__).parents[2] / "deploy" / "systemd" / "soloist.service"
UNLIMITED = ("prlimit", "--core=unlimited", *SERVE)


class Manager:
    """A manager that reads its socket all the time, and what came so far."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._come: queue.Queue[str] = queue.Queue()
        self.told: list[str] = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        while text := self._sock.recv(4096).decode():
            for line in text.splitlines():
                self._come.put(line)

    def await_line(self, line: str) -> None:
        """Wait until a line has come."""
        while line not in self.told:
            self.told.append(self._come.get(timeout=30))


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    Sums(name="sums").write(tmp_path / "repository")
    return tmp_path / "repository"


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Manager]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(tmp_path / "notify"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "50000")
        yield Manager(sock)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
            end.sendto(b"", str(tmp_path / "notify"))


def test_start_readiness_life_and_stop_are_told(
    repository: Path, tmp_path: Path, manager: Manager, transport: str
) -> None:
    with running_server(repository, tmp_path, transport=transport) as server:
        manager.await_line("READY=1")
        assert "STATUS=ready" in manager.told
        manager.told.clear()
        manager.await_line("WATCHDOG=1")
        with Admin(server.grpc) as admin:
            admin.set_ready(False)
        manager.await_line("STATUS=taken out by an operator")
        assert "STOPPING=1" not in manager.told
        server.ask_to_stop()
        manager.await_line("STOPPING=1")
        assert server.exit_code() == 0


def test_of_several_processes_only_the_supervisor_tells(repository: Path, tmp_path: Path, manager: Manager) -> None:
    with running_server(repository, tmp_path, processes=2) as server:
        manager.await_line("STATUS=2 processes serve")
        assert manager.told.count("READY=1") == 1
        for pid in members(server):
            assert b"NOTIFY_SOCKET" not in Path(f"/proc/{pid}/environ").read_bytes()
        server.ask_to_stop()
        manager.await_line("STOPPING=1")
        assert server.exit_code() == 0


def test_a_manager_that_has_gone_ends_nothing(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", "@nobody-is-here")
    with running_server(repository, tmp_path) as server:
        assert server.get("/readyz")[0] == 200


def test_the_watchdog_of_another_process_is_not_fed(
    repository: Path, tmp_path: Path, manager: Manager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_PID", "1")
    with running_server(repository, tmp_path) as server:
        manager.await_line("READY=1")
        server.ask_to_stop()
        manager.await_line("STOPPING=1")
    assert "WATCHDOG=1" not in manager.told


def limits(pid: int) -> str:
    (line,) = [each for each in Path(f"/proc/{pid}/limits").read_text().splitlines() if "core file" in each]
    return " ".join(line.split()[4:6])


@pytest.mark.parametrize("processes", [1, 2])
def test_a_crash_leaves_no_dump(repository: Path, tmp_path: Path, processes: int) -> None:
    here = set(Path.cwd().glob("core*"))
    with running_server(repository, tmp_path, program=UNLIMITED, processes=processes, core_dumps=False) as server:
        pid = min(members(server), default=0) if processes > 1 else server.process.pid
        assert limits(server.process.pid) == limits(pid) == "0 0"
        os.kill(pid, signal.SIGSEGV)
        if processes == 1:
            assert server.exit_code() == -signal.SIGSEGV
    assert set(Path.cwd().glob("core*")) == here


def test_whoever_wants_one_may_have_it(repository: Path, tmp_path: Path) -> None:
    with running_server(repository, tmp_path, program=UNLIMITED, core_dumps=True) as server:
        assert limits(server.process.pid) == "unlimited unlimited"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_the_unit_is_one(tmp_path: Path) -> None:
    text = UNIT.read_text()
    unit = tmp_path / UNIT.name
    unit.write_text(text.replace("/opt/soloist/bin/soloist", shutil.which("true") or ""))
    done = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_unit_and_the_settings_agree() -> None:
    lines = dict(line.split("=", 1) for line in UNIT.read_text().splitlines() if "=" in line and line[0] != "#")
    assert lines["Type"] == "notify"
    assert lines["LimitCORE"] == "0"
    assert lines["ExecStart"].split()[1:3] == ["serve", "--config"]
    assert int(lines["TimeoutStopSec"].removesuffix("s")) > 30 + 2
