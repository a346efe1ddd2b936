"""The server beside the inputs: whether it lives, what it holds, what it said, and whether it is as it was."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from bench.server.metrics_page import MetricsPage

if TYPE_CHECKING:
    from bench.server.process import ServerProcess

_TRACEBACK = "Traceback (most recent call last)"
_POLL_SECONDS = 0.1


def resident_mebibytes(server: ServerProcess) -> float:
    """Return the memory that the server takes; NaN when it has died."""
    try:
        return MetricsPage.read(server.http).total("process_resident_memory_bytes") / 2**20
    except OSError:
        return math.nan


def faults_at_the_end(server: ServerProcess, log: Path, *, patience_seconds: float) -> list[str]:
    """Return what is wrong with a server that all callers have left; sessions may take `patience_seconds` to end."""
    try:
        faults = [_ill(server), _open_sessions(server, patience_seconds), _background_failures(server)]
    except OSError as error:
        faults = [f"the server has died: {error}"]
    text = log.read_text(errors="replace")
    if count := text.count(_TRACEBACK):
        faults.append(f"{count} tracebacks in {log}, the first:\n{_first_traceback(text)}")
    return [fault for fault in faults if fault]


def _ill(server: ServerProcess) -> str:
    with grpc.insecure_channel(server.grpc) as channel:
        try:
            stub = health_pb2_grpc.HealthStub(channel)
            status = stub.Check(health_pb2.HealthCheckRequest(), timeout=10).status
        except grpc.RpcError as error:
            return f"the health check fails: {error}"
    return "" if status == health_pb2.HealthCheckResponse.SERVING else "the server isn't healthy"


def _open_sessions(server: ServerProcess, patience_seconds: float) -> str:
    def still() -> float:
        return MetricsPage.read(server.http).total("soloist_sessions_open")

    if _until(lambda: not still(), patience_seconds):
        return ""
    return f"{still():.0f} sessions are open, and nobody uses them"


def _background_failures(server: ServerProcess) -> str:
    failed = MetricsPage.read(server.http).total("soloist_background_failures_total")
    return f"work behind the calls failed {failed:.0f} times" if failed else ""


def _until(condition: Callable[[], bool], patience_seconds: float) -> bool:
    give_up = time.monotonic() + patience_seconds
    while not condition():
        if time.monotonic() > give_up:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def _first_traceback(text: str, lines: int = 40) -> str:
    before, _, after = text.partition(_TRACEBACK)
    head = before.rpartition("\n")[2]
    return "\n".join((head + _TRACEBACK + after).splitlines()[:lines])
