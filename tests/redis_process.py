"""A real Redis of a test: a process on a free port, which can be killed and started again."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

import pytest

from tests.servers import eventually

_PROGRAM = "redis-server"


@dataclass
class RedisProcess:
    """One Redis server, at `url`. Each start is of an empty one, unless it was told to keep its data."""

    folder: Path
    port: int
    options: tuple[str, ...] = ()
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        command = [_PROGRAM, "--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(self.folder), "--save", ""]
        with (self.folder / "redis.log").open("ab") as log:
            self.process = subprocess.Popen([*command, *self.options], stdout=log, stderr=log)
        assert eventually(self.answers), (self.folder / "redis.log").read_text()

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def answers(self) -> bool:
        """Return whether it has loaded its data, and answers or asks for a password."""
        try:
            return self.command("PING").startswith((b"+PONG", b"-NOAUTH"))
        except OSError:
            return False

    def command(self, *words: str | bytes) -> bytes:
        """Send one command, and return the beginning of its answer as it came."""
        parts = [word if isinstance(word, bytes) else word.encode() for word in words]
        packed = b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
            connection.sendall(b"*%d\r\n%s" % (len(parts), packed))
            return connection.recv(65536)

    def keys(self) -> list[str]:
        """Return every key."""
        return [line for line in self.command("KEYS", "*").decode().split("\r\n") if line.startswith("soloist")]


def missing(what: str) -> NoReturn:
    """Skip a test that needs Redis; under CI it fails."""
    text = f"{what}: deploy/install-tools.sh"
    if os.environ.get("CI"):
        pytest.fail(text)
    pytest.skip(text)


@contextmanager
def running_redis(folder: Path, *options: str) -> Iterator[RedisProcess]:
    if shutil.which(_PROGRAM) is None:
        missing("redis-server is not installed")
    redis = RedisProcess(folder, free_port(), options)
    redis.start()
    try:
        yield redis
    finally:
        redis.kill()


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
