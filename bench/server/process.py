"""A server's process: `soloist serve` on free ports, its settings in the environment, ended with SIGTERM."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from bench.server.metrics_page import MetricsPage

SERVE = (sys.executable, "-m", "soloist.cli.main", "serve")
_READY_PREFIX = "soloist: serving "
_START_SECONDS = 300.0  # a server that isn't ready by then is ended
_STOP_SECONDS = 60.0


class ServerError(Exception):
    """The server didn't start, or tells too little; the text says what, for people."""


@dataclass(frozen=True, kw_only=True)
class ServerProcess:
    """Where it listens, host:port each, and how long it took from its start until it was ready.

    `admin` is the operators' address, if it has one.
    """

    process: subprocess.Popen[str]
    grpc: str
    http: str
    ready_seconds: float
    admin: str = ""

    @property
    def exit_code(self) -> int:
        """Return how it ended; known once it has. Minus the number of a signal that ended it."""
        return self.process.wait()

    def cpu_seconds(self) -> float:
        """Return how much processor time it has used since it began."""
        seconds = MetricsPage.read(self.http).total("process_cpu_seconds_total")
        if not seconds:
            raise ServerError("the server tells no process_cpu_seconds_total")
        return seconds


@contextmanager
def serving(
    repository: Path, settings: Mapping[str, object], *, log: Path | None = None, config: Path | None = None
) -> Iterator[ServerProcess]:
    """Serve on this machine until the block ends.

    Args:
        repository: Models to serve.
        settings: Named as in TOML, without SOLOIST_. Unless they say otherwise, metrics are those of the moment,
            warnings are the least that is logged, and every method is on.
        log: A file for what the server logs; without one that goes to where this program's own errors go.
        config: A TOML file of more settings.

    Raises:
        ServerError: The server didn't start.

    """
    command = [*SERVE, "--repository", str(repository), "--host", "127.0.0.1", "--grpc-port", "0", "--http-port", "0"]
    command += ["--config", str(config)] if config else []
    environment = server_environment({"metrics_cache_seconds": 0, "log_level": "warning", "enable": "all", **settings})
    with (
        nullcontext() if log is None else log.open("w") as stderr,
        launched(command, environment, stderr, where=str(log) if log else "what is above") as server,
    ):
        yield server


@contextmanager
def launched(
    command: Sequence[str], environment: Mapping[str, str], stderr: IO[str] | None, *, where: str
) -> Iterator[ServerProcess]:
    """Run a command that serves until the block ends, and see to it that the process has gone then.

    Raises:
        ServerError: It doesn't serve; `where` says why.

    """
    started = time.perf_counter()
    with subprocess.Popen(  # noqa: S603  # our own program
        command, stdout=subprocess.PIPE, stderr=stderr, text=True, env=environment
    ) as process:
        try:
            addresses = _await_ready(process, where)
            yield ServerProcess(process=process, ready_seconds=time.perf_counter() - started, **addresses)
        finally:
            _stop(process)


def server_environment(settings: Mapping[str, object]) -> dict[str, str]:
    """Return this process's environment with SOLOIST_* as given and no others.

    A server may leave a core dump then, unless the settings say otherwise: what it takes is read in its memory maps,
    which a process without a dump hides from others than root.
    """
    settings = {"core_dumps": True, **settings}
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("SOLOIST_")}
    return inherited | {f"SOLOIST_{name.upper()}": str(value) for name, value in settings.items()}


def _await_ready(process: subprocess.Popen[str], where: str) -> dict[str, str]:
    too_late = threading.Timer(_START_SECONDS, process.kill)  # ends the wait for its line, too
    too_late.start()
    try:
        line = process.stdout.readline() if process.stdout else ""
    finally:
        too_late.cancel()
    if not line.startswith(_READY_PREFIX):
        _stop(process)
        raise ServerError(f"the server did not start (exit code {process.returncode}); {where} says why")
    return dict(part.split("=", 1) for part in line.removeprefix(_READY_PREFIX).split())


def _stop(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
