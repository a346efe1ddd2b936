"""Owns the real server of a test: started in a process of its own on free ports, watched from outside, stopped."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

SERVE = (sys.executable, "-m", "soloist.cli.main", "serve")
Samples = dict[str, dict[tuple[tuple[str, str], ...], float]]
_PATIENCE_SECONDS = 30.0
_POLL_SECONDS = 0.01


@dataclass(frozen=True, kw_only=True)
class Observed:
    """What a server tells over HTTP, at `http` (host:port)."""

    http: str

    def get(self, path: str) -> tuple[int, str]:
        """Fetch one page: status and text."""
        try:
            with urllib.request.urlopen(f"http://{self.http}{path}", timeout=10) as response:  # our own
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def samples(self, prefix: str = "") -> Samples:
        """Scrape what begins with `prefix`: by sample name, then by labels sorted by name."""
        lines = [line for line in self.get("/metrics")[1].splitlines() if line.startswith(prefix)]
        found: Samples = {}
        for family in text_string_to_metric_families("\n".join(lines)):
            for sample in family.samples:
                found.setdefault(sample.name, {})[tuple(sorted(sample.labels.items()))] = sample.value
        return found

    def total(self, name: str, **labels: str) -> float:
        """Sum one metric's samples over those that bear `labels`; 0 where nothing was observed yet."""
        series = self.samples(f"{name}{{").get(name, {})
        return sum(value for key, value in series.items() if labels.items() <= dict(key).items())


@dataclass(frozen=True, kw_only=True)
class RunningServer(Observed):
    """A server in its own process, where it listens (host:port), and what it writes on stderr."""

    process: subprocess.Popen[str]
    grpc: str
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

    Metrics are those of the moment, unless the settings say otherwise.

    `logs` is the folder where stderr is kept.
    """
    command = [*program, "--repository", str(repository), "--grpc-port", "0", "--http-port", "0", *flags]
    settings = {"metrics_cache_seconds": 0, **settings}
    stderr = logs / f"stderr-{time.monotonic_ns()}.txt"
    with (
        stderr.open("w") as log,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment(settings)) as process,
    ):
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("soloist: serving"), line + stderr.read_text()
            where = dict(part.split("=", 1) for part in line.split()[2:])
            yield RunningServer(process=process, repository=repository, stderr=stderr, **where)
        finally:
            if process.poll() is None:
                process.kill()


def environment(settings: Mapping[str, object]) -> dict[str, str]:
    """Return this process's environment with SOLOIST_* as given and no others."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("SOLOIST_")}
    return inherited | {f"SOLOIST_{name.upper()}": str(value) for name, value in settings.items()}


def eventually(told: Callable[[], bool]) -> bool:
    """Look again and again, over a border that carries no events (HTTP), until it is so; False after long."""
    give_up = time.monotonic() + _PATIENCE_SECONDS
    while not told():
        if time.monotonic() > give_up:
            return False
        time.sleep(_POLL_SECONDS)
    return True
