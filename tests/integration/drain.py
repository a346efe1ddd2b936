"""Owns the waiting for a drain to begin."""

from __future__ import annotations

from tests.servers import RunningServer, eventually


def await_drain(server: RunningServer) -> None:
    """Wait until the server says that it drains."""
    assert eventually(lambda: server.get("/readyz") == (503, "draining\n"))
    assert server.get("/healthz") == (200, "alive\n")
