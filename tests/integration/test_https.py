"""TLS on the HTTP port: REST, pages, large answers and callers that don't read are as they are without it."""

from __future__ import annotations

import http.client
import json
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.tls.caller import TlsCaller, page
from bench.tls.certificates import Authority, Mounted, client_context
from tests.graphs import Sums
from tests.servers import RunningServer, eventually, running_server

ROOT = Path(__file__).parents[2]
ROWS = 1_500_000  # more than the system takes for a caller that does not read


@pytest.fixture(scope="module")
def caller(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsCaller[RunningServer]]:
    folder, authority = tmp_path_factory.mktemp("https"), Authority()
    mounted = Mounted(folder / "secret", authority.server())
    Sums(name="sums").write(folder / "repository")
    settings: dict[str, Any] = {
        "session_idle_seconds": 2,
        "max_sequence_frames": ROWS,
        **mounted.settings(clients=False),
    }
    del settings["tls_certificate"], settings["tls_key"]  # the gRPC port stays plain
    with running_server(folder / "repository", folder, **settings) as server:
        yield TlsCaller(server, authority.anonymous(), folder)


def question(rows: int) -> tuple[bytes, dict[str, str]]:
    """Return a request of `rows` frames as binary data, which asks for every output so."""
    data = np.ones((rows, 2), np.float32).tobytes()
    tensor = {"name": "frames", "shape": [1, rows, 2], "datatype": "FP32"}
    asked = {"inputs": [tensor | {"parameters": {"binary_data_size": len(data)}}], "parameters": {}}
    asked["outputs"] = [{"name": "outputs", "parameters": {"binary_data": True}}]
    head = json.dumps(asked).encode()
    return head + data, {"Inference-Header-Content-Length": str(len(head))}


def infer(connection: http.client.HTTPSConnection, rows: int) -> bytes:
    body, headers = question(rows)
    connection.request("POST", "/v2/models/sums/infer", body, headers)
    response = connection.getresponse()
    content = response.read()
    assert response.status == 200, content[:200]
    return content[int(response.headers["Inference-Header-Content-Length"]) :]


def test_answers_of_every_size_come_whole_over_one_connection(caller: TlsCaller[RunningServer]) -> None:
    connection = caller.connection()
    for rows in (1, 3, 10_000, 300_000, 2):
        found = np.frombuffer(infer(connection, rows), np.float32)
        assert found.tolist()[-2:] == [rows, rows]
    assert page(connection, "/readyz") == (200, "ready\n")
    assert "soloist_model_info" in page(connection, "/metrics")[1]
    assert page(connection, "/nowhere")[0] == 404
    connection.close()


def test_plain_http_gets_no_answer(caller: TlsCaller[RunningServer]) -> None:
    connection = http.client.HTTPConnection(caller.server.http, timeout=10)
    connection.request("GET", "/metrics")
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        connection.getresponse()
    connection.close()


def test_the_health_check_of_the_image_asks_with_and_without_it(
    caller: TlsCaller[RunningServer], tmp_path: Path
) -> None:
    def exit_code(address: str) -> int:
        command = [sys.executable, "deploy/is_ready.py", address]
        return subprocess.run(command, cwd=ROOT, check=False, capture_output=True).returncode

    assert exit_code(caller.server.http) == 0
    with running_server(caller.server.repository, tmp_path) as plain:
        assert exit_code(plain.http) == 0
    with socket.create_server(("127.0.0.1", 0)) as silent:
        nobody = f"127.0.0.1:{silent.getsockname()[1]}"
    assert exit_code(nobody) == 1


def test_a_caller_that_does_not_read_is_sent_away_and_leaves_nothing(caller: TlsCaller[RunningServer]) -> None:
    host, _, port = caller.server.http.rpartition(":")
    body, headers = question(ROWS)
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    head = f"POST /v2/models/sums/infer HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n{lines}\r\n"
    with ExitStack() as stack:
        plain = stack.enter_context(socket.socket())
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        plain.settimeout(30)
        plain.connect((host, int(port)))
        context = client_context(caller.tls, caller.folder)
        silent = stack.enter_context(context.wrap_socket(plain, server_hostname="localhost"))
        silent.sendall(head.encode() + body)
        # Its connection is one of these, and so is that of who asks.
        descriptors = Path(f"/proc/{caller.server.process.pid}/fd")
        assert eventually(lambda: not _is_connected(descriptors, silent.getsockname()[1]))
    assert caller.get("/healthz") == (200, "alive\n")


def _is_connected(descriptors: Path, port: int) -> bool:
    """Return whether a process holds a connection from that port of this machine."""
    held = set()
    for each in descriptors.iterdir():
        try:
            held.update(re.findall(r"socket:\[(\d+)\]", str(each.readlink())))
        except OSError:
            continue
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[9] in held and int(fields[2].rpartition(":")[2], 16) == port:
            return True
    return False
