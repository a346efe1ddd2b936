"""Callers of REST that leave, wait, hurry ahead or say half of what they mean; and a server that goes away."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from typing import Any

import pytest

from tests.graphs import Sums
from tests.integration.gated import MAX_HTTP_CONNECTIONS, GatedServer
from tests.integration.rest_requests import ask
from tests.servers import USUAL_TRANSPORT, RunningServer, eventually, running_server

PATH = "/v2/models/sums/infer"


@pytest.fixture(scope="module")
def transport() -> str:
    """That of gRPC, which isn't the subject here."""
    return USUAL_TRANSPORT


def body(*values: float) -> bytes:
    tensor = {"name": "frames", "shape": [1, len(values) // 2, 2], "datatype": "FP32", "data": values}
    return json.dumps({"inputs": [tensor]}).encode()


def head(size: int, path: str = PATH, *more: str) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: a", f"Content-Length: {size}", *more, "", ""]
    return "\r\n".join(lines).encode()


def connected(address: str) -> socket.socket:
    host, port = address.split(":")
    return socket.create_connection((host, int(port)), timeout=30)


def answers(connection: socket.socket, count: int) -> list[tuple[int, Any]]:
    """Read answers in JSON: status and body."""
    with closing(connection.makefile("rb")) as file:
        found = []
        for _ in range(count):
            status, size = int(file.readline().split()[1]), 0
            while line := file.readline().strip():
                if line.lower().startswith(b"content-length:"):
                    size = int(line.split(b":")[1])
            found.append((status, json.loads(file.read(size))))
        return found


def rest_of(connection: socket.socket) -> bytes:
    """Read until the server has closed."""
    found = b""
    try:
        while some := connection.recv(65536):
            found += some
    except ConnectionResetError:
        pass
    return found


@pytest.mark.parametrize("whole", [True, False])
def test_the_work_of_a_caller_who_leaves_is_cancelled(gated: GatedServer, whole: bool) -> None:
    labels = {"api": "ModelInfer", "code": "CANCELLED"}
    asked = body(1, 2).replace(b"[1, 1, 2]", b"[1, 2, 1]")
    gated.runner.gate.clear()
    try:
        with connected(gated.http) as connection:
            if whole:
                connection.sendall(head(len(asked), "/v2/models/gated/infer") + asked)
                gated.await_arrivals(1)
            else:
                connection.sendall(head(len(asked)) + asked[:5])
        assert eventually(lambda: gated.total("soloist_requests_total", **labels) == 1)
    finally:
        gated.runner.gate.set()


def test_who_keeps_the_server_waiting_makes_room_and_who_waits_for_it_does_not(gated: GatedServer) -> None:
    asked = body(1, 2).replace(b"[1, 1, 2]", b"[1, 2, 1]")
    gated.runner.gate.clear()
    try:
        with ExitStack() as stack:
            served = stack.enter_context(connected(gated.http))
            served.sendall(head(len(asked), "/v2/models/gated/infer") + asked)
            gated.await_arrivals(1)
            slow = [stack.enter_context(connected(gated.http)) for _ in range(2 * MAX_HTTP_CONNECTIONS)]
            for connection in slow:
                with suppress(OSError):  # it had to make room
                    connection.sendall(head(100, "/v2/models/gated/infer") + b"{")
            assert gated.get("/healthz") == (200, "alive\n")
            assert rest_of(slow[0]) == b""
            gated.runner.gate.set()
            assert answers(served, 1)[0][0] == 200
    finally:
        gated.runner.gate.set()


def test_requests_that_hurry_ahead_are_answered_in_order(strict: RunningServer) -> None:
    asked = [body(number, number) for number in range(20)]
    with connected(strict.http) as connection:
        connection.sendall(b"".join(head(len(each)) + each for each in asked))
        for number, (status, found) in enumerate(answers(connection, 20)):
            assert (status, found["outputs"][0]["data"]) == (200, [number, number])


def test_too_many_ahead_end_the_connection_after_those_before(strict: RunningServer) -> None:
    with connected(strict.http) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n" * 3000)
        found = rest_of(connection)
    assert 1 <= found.count(b"alive\n") <= 100
    assert ask(strict.http, "GET", "/healthz").status == 200


def test_a_body_in_chunks_and_one_that_waits_for_permission(strict: RunningServer) -> None:
    asked = body(1, 2)
    with connected(strict.http) as connection:
        connection.sendall(f"POST {PATH} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        for byte in asked:
            connection.sendall(b"1\r\n%c\r\n" % byte)
        connection.sendall(b"0\r\n\r\n")
        assert answers(connection, 1)[0][0] == 200
        connection.sendall(head(len(asked), PATH, "Expect: 100-continue"))
        assert connection.recv(100).startswith(b"HTTP/1.1 100 ")
        connection.sendall(asked)
        assert answers(connection, 1)[0][0] == 200
        connection.sendall(head(10**9, PATH, "Expect: 100-continue"))
        assert answers(connection, 1)[0][0] == 429


@pytest.mark.parametrize("path", [PATH, "/metrics", "/v2/nowhere"])
def test_a_body_that_is_no_http_ends_the_request(strict: RunningServer, path: str) -> None:
    with connected(strict.http) as connection:
        connection.sendall(f"POST {path} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{{".encode())
        connection.sendall(b"\r\nno size\r\n")
        found = rest_of(connection)
    assert found.startswith(b"HTTP/1.1 400 ")
    assert found.count(b"HTTP/1.1 ") == 1


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("hasty")
    Sums(name="sums").write(folder / "repository")
    seconds: dict[str, Any] = {
        "handshake_timeout_seconds": 0.3,
        "connection_idle_seconds": 0.3,
        "session_idle_seconds": 0.3,
    }
    with running_server(folder / "repository", folder, **seconds) as server:
        yield server


@pytest.mark.parametrize("said", [b"", b"GET /v2 HTTP/1.1\r\nX-Slow: "])
def test_who_never_ends_its_head_is_sent_away(hasty: RunningServer, said: bytes) -> None:
    with connected(hasty.http) as connection:
        connection.sendall(said)
        assert rest_of(connection) == b""


def test_who_never_ends_its_body_is_told(hasty: RunningServer) -> None:
    with connected(hasty.http) as connection:
        connection.sendall(head(100) + b"{")
        status, found = answers(connection, 1)[0]
    assert (status, found["reason"]) == (409, "SESSION_IDLE")


def test_who_says_nothing_more_is_sent_away(hasty: RunningServer) -> None:
    asked = body(1, 2)
    with connected(hasty.http) as connection:
        connection.sendall(head(len(asked)) + asked)
        assert answers(connection, 1)[0][0] == 200
        assert rest_of(connection) == b""


def test_a_server_that_drains_ends_what_it_began_and_refuses_the_rest(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder, asked = tmp_path_factory.mktemp("drain"), body(1, 2)
    Sums(name="sums").write(folder / "repository")
    with running_server(folder / "repository", folder) as server, connected(server.http) as connection:
        connection.sendall(head(len(asked)) + asked[:5])
        assert eventually(lambda: server.get("/readyz")[0] == 200)
        server.ask_to_stop()
        assert eventually(lambda: server.get("/readyz")[1] == "draining\n")
        late = ask(server.http, "POST", PATH, asked)
        assert (late.status, late.json["reason"]) == (503, "SERVER_DRAINING")
        connection.sendall(asked[5:])
        assert answers(connection, 1)[0][0] == 200
        assert server.exit_code() == 0
