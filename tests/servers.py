"""The real server of a test: started in a process of its own on free ports, watched from outside, stopped."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.server.metrics_page import MetricsPage, Samples, read_page
from bench.server.process import SERVE, ServerError, launched
from bench.server.process import server_environment as environment

# `soloist serve --transport`; tests that speak about it run on both.
TRANSPORTS = ("grpc", "httpunk")
# That of all other servers; `make test-httpunk` runs every test of a server on the second one.
USUAL_TRANSPORT = os.environ.get("TEST_TRANSPORT", TRANSPORTS[0])
__all__ = [
    "SERVE",
    "TRANSPORTS",
    "USUAL_TRANSPORT",
    "Observed",
    "RunningServer",
    "Samples",
    "environment",
    "eventually",
    "running_server",
]

_PATIENCE_SECONDS = 30.0
_POLL_SECONDS = 0.01


@dataclass(frozen=True, kw_only=True)
class Observed:
    """What a server tells over HTTP, at `http` (host:port)."""

    http: str

    def get(self, path: str) -> tuple[int, str]:
        """Return status and text of one page."""
        return read_page(self.http, path)

    def samples(self, prefix: str = "") -> Samples:
        """Return the samples that begin with `prefix`: by sample name, then by labels sorted by name."""
        return MetricsPage(self.get("/metrics")[1]).samples(prefix)

    def total(self, name: str, **labels: str) -> float:
        """Return the sum of one metric's samples over those that bear `labels`; 0 where nothing was observed yet."""
        return MetricsPage(self.get("/metrics")[1]).total(name, **labels)


@dataclass(frozen=True, kw_only=True)
class RunningServer(Observed):
    """A server in its own process, where it listens (host:port), and what it writes on stderr."""

    process: subprocess.Popen[str]
    grpc: str
    admin: str = ""
    repository: Path
    stderr: Path

    def ask_to_stop(self) -> None:
        """Send one SIGTERM."""
        self.process.send_signal(signal.SIGTERM)

    def exit_code(self) -> int:
        """Wait for the process to end."""
        return self.process.wait(timeout=_PATIENCE_SECONDS)

    def log(self) -> list[dict[str, Any]]:
        """Read its log lines; needs log_format json."""
        return [json.loads(line) for line in self.stderr.read_text().splitlines()]


@contextmanager
def running_server(
    repository: Path,
    logs: Path,
    *flags: str,
    program: tuple[str, ...] = SERVE,
    **settings: object,
) -> Iterator[RunningServer]:
    """Serve until the block ends, and then see to it that the process has gone; `settings` go by the environment.

    Metrics are those of the moment, every method is on, and versions load without a trial, which takes a process,
    unless the settings say otherwise.

    `logs` is the folder where stderr is kept.
    """
    command = [*program, "--repository", str(repository), "--grpc-port", "0", "--http-port", "0", *flags]
    usual = {"metrics_cache_seconds": 0, "enable": "all", "load_trial": False, "transport": USUAL_TRANSPORT}
    settings = {**usual, **settings}
    stderr = logs / f"stderr-{time.monotonic_ns()}.txt"
    with stderr.open("w") as log, ExitStack() as stack:
        try:
            server = stack.enter_context(launched(command, environment(settings), log, where=str(stderr)))
        except ServerError as error:
            raise AssertionError(f"{error}\n{stderr.read_text()}") from error
        # A test that is over doesn't wait for a drain.
        stack.callback(server.process.kill)
        yield RunningServer(
            process=server.process,
            grpc=server.grpc,
            http=server.http,
            admin=server.admin,
            repository=repository,
            stderr=stderr,
        )


def eventually(reported: Callable[[], bool]) -> bool:
    """Return whether it comes to be so in time, polling a border that carries no events (HTTP)."""
    give_up = time.monotonic() + _PATIENCE_SECONDS
    while not reported():
        if time.monotonic() > give_up:
            return False
        time.sleep(_POLL_SECONDS)
    return True
