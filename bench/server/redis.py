"""A Redis of the run's own, which loses nothing that it has confirmed."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_START_SECONDS = 20.0
_DURABLE = ("--save", "", "--appendonly", "yes", "--appendfsync", "always")


class NoRedisError(Exception):
    """There is no Redis to run; the text says how to get it."""


@contextmanager
def redis(folder: Path) -> Iterator[str]:
    """Run a server on a free port until the block ends; yield its address.

    Raises:
        NoRedisError: it isn't installed, or doesn't start.

    """
    program = shutil.which("redis-server") or shutil.which("valkey-server")
    if program is None:
        raise NoRedisError("no redis-server on the PATH; it is a package of most systems")
    port = _free_port()
    command = [program, "--bind", "127.0.0.1", "--port", str(port), "--dir", str(folder), *_DURABLE]
    with (
        (folder / "redis.log").open("w") as log,
        subprocess.Popen(command, stdout=log, stderr=log) as process,  # noqa: S603  # our own list
    ):
        try:
            _wait_for(port, process)
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            process.terminate()


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1):
                return
        except OSError:
            time.sleep(0.05)
    raise NoRedisError("redis-server didn't start")


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])
