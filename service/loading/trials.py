"""The trial loads: a file is loaded in a process of its own first, so that what it does there, it can't do here."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from service.engine.cancel_scope import refuse_cancelled
from service.engine.model_file import ModelFileError, ModelLimits

_HOST = "service.loading.trial_host"
# A host that nobody has needed for so long is ended, for it takes memory.
_IDLE_SECONDS = 10.0
_POLL_SECONDS = 0.1
_SIGNALS = {
    signal.SIGKILL: "was killed, probably because memory ran short",
    signal.SIGXCPU: "took too long",
    signal.SIGALRM: "took too long",
}


_NO_HOST = "no process for a trial load can be started, or it dies: --no-load-trial loads without"


class TrialError(Exception):
    """A trial load failed by a fault of ours; the text is for the log."""


@dataclass(frozen=True, kw_only=True)
class TrialPolicy:
    """The most time and memory of a trial, and the largest files."""

    seconds: float
    load_bytes: int
    limits: ModelLimits = field(default_factory=ModelLimits)


class Trials:
    """Trial loads, in children of one host process. May be used by several threads at once."""

    def __init__(self, policy: TrialPolicy) -> None:
        """Create it; the host starts with the first trial, if not before, and ends soon after the last."""
        self._policy = policy
        self._lock = threading.Lock()
        self._host: _Host | None = None
        self._under_way = 0
        self._retire: threading.Timer | None = None

    def start(self) -> None:
        """Start the host, which imports what a load needs, so that the first trial doesn't wait for that.

        If it can't be started, the first trial says so.
        """
        with self._lock, contextlib.suppress(ModelFileError):
            if self._host is None:
                self._host = _started()
                self._retire_later()

    def try_out(self, path: Path) -> str:
        """Load a file on trial, and return its SHA-256. Blocks.

        Raises:
            ModelFileError: it can't be loaded, not in this time or memory, or its load crashed.
            ServiceError: the load was cancelled meanwhile.
            TrialError: the trial itself failed.

        """
        request = {
            "path": os.fsencode(path.absolute()).hex(),
            "seconds": self._policy.seconds,
            "load_bytes": self._policy.load_bytes,
            "max_bytes": self._policy.limits.max_bytes,
            "max_nodes": self._policy.limits.max_nodes,
        }
        for _ in range(2):
            with self._asked(json.dumps(request).encode()) as answers:
                try:
                    lines = self._wait(answers)
                finally:
                    self._ended()
            if lines:
                return _verdict(lines)
        raise ModelFileError(_NO_HOST)

    def close(self) -> None:
        """End the host, and with it all trials."""
        with self._lock:
            host, self._host = self._host, None
            if self._retire is not None:
                self._retire.cancel()
        if host is not None:
            host.end()

    def _asked(self, request: bytes) -> socket.socket:
        """Begin a trial, and return the socket that its result comes from; closing it ends the trial."""
        ours, its = socket.socketpair()
        with its, self._lock:
            if self._retire is not None:
                self._retire.cancel()
                self._retire = None
            self._under_way += 1
            try:
                if self._host is None or not self._host.ask(request, its):
                    self._host = _started()
                    if not self._host.ask(request, its):
                        raise ModelFileError(_NO_HOST)
            except BaseException:
                self._under_way -= 1
                ours.close()
                raise
        return ours

    def _wait(self, answers: socket.socket) -> list[dict[str, Any]]:
        give_up = time.monotonic() + self._policy.seconds
        answers.settimeout(_POLL_SECONDS)
        received = b""
        while True:
            refuse_cancelled()
            if time.monotonic() > give_up:
                raise ModelFileError(
                    f"a trial load took longer than {self._policy.seconds:g} s, half of load_timeout_seconds: raise "
                    "that setting if you trust the file"
                )
            try:
                found = answers.recv(65_536)
            except TimeoutError:
                continue
            if not found:
                return [json.loads(line) for line in received.splitlines()]
            received += found

    def _ended(self) -> None:
        with self._lock:
            self._under_way -= 1
            if not self._under_way:
                self._retire_later()

    def _retire_later(self) -> None:
        self._retire = threading.Timer(_IDLE_SECONDS, self._retired)
        self._retire.daemon = True
        self._retire.start()

    def _retired(self) -> None:
        with self._lock:
            if self._under_way:
                return
            host, self._host = self._host, None
        if host is not None:
            host.end()


class _Host:
    def __init__(self) -> None:
        self._control, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with its:
            self._process = subprocess.Popen(  # noqa: S603  # our own program
                [sys.executable, "-P", "-m", _HOST, str(its.fileno())],
                pass_fds=(its.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=_environment(),
                start_new_session=True,
            )

    def ask(self, request: bytes, answers: socket.socket) -> bool:
        """Pass a request on; returns False if the host has died."""
        try:
            socket.send_fds(self._control, [request], [answers.fileno()])
        except OSError:
            self.end()
            return False
        return True

    def end(self) -> None:
        self._control.close()
        self._process.wait()


def _started() -> _Host:
    try:
        return _Host()
    except OSError as error:
        raise ModelFileError(f"{_NO_HOST}: {error.strerror}") from error


def _environment() -> dict[str, str]:
    """Return what a trial needs of the environment, and no secret: it is to run files that nobody trusts."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH") if name in os.environ}
    # The same modules as here, wherever they were found. One thread: what has several can't be forked.
    path = os.pathsep.join(each or str(Path.cwd()) for each in sys.path)
    return {**kept, "PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


def _verdict(lines: list[dict[str, Any]]) -> str:
    said = {key: value for line in lines for key, value in line.items()}
    if "sha256" in said:
        return str(said["sha256"])
    if "cause" in said:
        raise ModelFileError(str(said["cause"]))
    if "error" in said or not said.get("exit_code"):
        raise TrialError(str(said.get("error", "the trial said nothing")))
    raise ModelFileError(f"a trial load of it {_ending(int(said['exit_code']))}: the file is damaged, or made to harm")


def _ending(exit_code: int) -> str:
    if exit_code > 0:
        return f"ended with exit code {exit_code}"
    number = signal.Signals(-exit_code)
    return _SIGNALS.get(number, f"crashed ({number.name})")
