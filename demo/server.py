"""Owns the server's process: started as anybody would, ended with SIGTERM."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from demo.plan import DemoError

_READY_PREFIX = "soloist: serving "
_START_SECONDS = 60.0  # a server that isn't ready by then is ended
_STOP_SECONDS = 60.0


class ServerProcess:
    """`soloist serve` on free ports of this machine, while the block runs; `exit_code` is known afterwards.

    `config` is a TOML file of settings.
    """

    def __init__(self, repository: Path, log: Path, *, config: Path | None = None) -> None:
        self._repository = repository
        self._config = config
        self._log = log
        self._process: subprocess.Popen[str] | None = None
        self.grpc = self.http = ""  # host:port
        self.ready_seconds = 0.0  # from start to ready
        self.exit_code = 0

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "soloist.cli.main", "serve", "--repository", str(self._repository)]
        command += ["--host", "127.0.0.1", "--grpc-port", "0", "--http-port", "0"]
        command += ["--config", str(self._config)] if self._config else []
        started = time.perf_counter()
        with self._log.open("w") as log:
            self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)  # noqa: S603  # ours
        try:
            self._await_ready(self._process)
        except BaseException:
            self._stop(self._process)
            raise
        self.ready_seconds = time.perf_counter() - started
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._stop(self._process)

    def _await_ready(self, process: subprocess.Popen[str]) -> None:
        too_late = threading.Timer(_START_SECONDS, process.kill)  # ends the wait for its line, too
        too_late.start()
        try:
            line = process.stdout.readline() if process.stdout else ""
        finally:
            too_late.cancel()
        if not line.startswith(_READY_PREFIX):
            raise DemoError(f"the server did not start; {self._log} says why")
        where = dict(part.split("=", 1) for part in line.removeprefix(_READY_PREFIX).split())
        self.grpc, self.http = where["grpc"], where["http"]

    def _stop(self, process: subprocess.Popen[str]) -> None:
        process.send_signal(signal.SIGTERM)
        try:
            self.exit_code = process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            self.exit_code = process.wait()
        if process.stdout is not None:
            process.stdout.close()
