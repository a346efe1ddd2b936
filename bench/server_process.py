"""Owns a server of its own: `soloist serve` on free ports, with settings from the environment, and what it has used."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from bench.metrics_page import read_metrics

_STOP_SECONDS = 30
_CPU = re.compile(r"^process_cpu_seconds_total (\S+)$", re.MULTILINE)


class ServerError(Exception):
    """The server didn't start; the text is what it said."""


@dataclass(frozen=True, kw_only=True)
class ServerProcess:
    """Where it listens, host:port each."""

    grpc: str
    http: str

    def cpu_seconds(self) -> float:
        """Read how much processor time it has used since it began."""
        found = _CPU.search(read_metrics(self.http))
        if found is None:
            raise ServerError("the server tells no process_cpu_seconds_total")
        return float(found[1])


@contextmanager
def serving(repository: Path, settings: Mapping[str, str], *, log: Path | None = None) -> Iterator[ServerProcess]:
    """Serve until the block ends; `settings` are named as in TOML, without SOLOIST_. Raises ServerError.

    What the server logs goes to the file `log`, without one to where this program's own errors go. Metrics are those of
    the moment, unless the settings say otherwise.
    """
    settings = {"metrics_cache_seconds": "0", **settings}
    command = [sys.executable, "-m", "soloist.cli.main", "serve", "--repository", str(repository)]
    command += ["--host", "127.0.0.1", "--grpc-port", "0", "--http-port", "0", "--log-level", "warning"]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("SOLOIST_")}
    environment = inherited | {f"SOLOIST_{name.upper()}": value for name, value in settings.items()}
    with (
        nullcontext() if log is None else log.open("w") as stderr,
        subprocess.Popen(  # noqa: S603  # our own program
            command, stdout=subprocess.PIPE, stderr=stderr, text=True, env=environment
        ) as process,
    ):
        try:
            assert process.stdout is not None  # noqa: S101  # it was asked for
            line = process.stdout.readline()
            if not line.startswith("soloist: serving "):
                raise ServerError(line or "the server didn't start; see above")
            where = dict(part.split("=", 1) for part in line.split()[2:])
            yield ServerProcess(**where)
        finally:
            process.terminate()
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
