"""File descriptors: gRPC connections never take those that HTTP needs."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from pathlib import Path

from soloist import Client
from tests.graphs import Sums
from tests.servers import SERVE, running_server


def test_probes_are_answered_when_connections_have_run_out(tmp_path: Path, transport: str) -> None:
    Sums(name="sums").write(tmp_path / "repository")
    program = ("prlimit", "--nofile=256:256", *SERVE)
    with (
        running_server(tmp_path / "repository", tmp_path, program=program, transport=transport) as server,
        ExitStack() as stack,
    ):
        host, _, port = server.grpc.rpartition(":")
        with Client(server.grpc) as client:
            assert client.predict("sums", [[1.0, 2.0]]).frame_count == 1
            for _ in range(276):
                stack.enter_context(socket.create_connection((host, int(port)), timeout=10))
            assert server.get("/healthz") == (200, "alive\n")
            assert server.get("/metrics")[0] == 200
            assert client.predict("sums", [[1.0, 2.0]]).frame_count == 1
        assert "Traceback" not in server.stderr.read_text()
