"""Owns what tests of several processes ask: which process a connection is to, and connections to two of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench.metrics_page import MetricsPage
from tests.integration.asking import Asker, asking
from tests.servers import RunningServer

_TRIES = 64


def members(server: RunningServer) -> set[int]:
    """Return the ids of the processes that serve: the children of the supervisor."""
    pid = server.process.pid
    return {int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}


def is_running(pid: int) -> bool:
    """Return whether a process is there, and isn't waiting to be collected."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
