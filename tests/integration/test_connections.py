"""Connections that don't begin, do nothing, or whose callers have stopped: closed in time, and nobody else notices."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import grpc
import pytest

from bench.gates.http2 import SentAwayError, http2_connection
from soloist import Client
from soloist.v1 import sequence_inference_pb2 as pb
from tests.graphs import Sums
from tests.integration.asking import asking, ones
from tests.integration.strict import ON_BOTH
from tests.integration.test_compression import peak_bytes
from tests.servers import RunningServer, eventually, running_server

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
# A client with an open stream, which says so and waits.
_CALLER = """
import sys
from soloist import Client
with Client(sys.argv[1]) as client, client.stream("sums") as stream:
    stream.send([[1.0, 2.0]])
    print("open", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(scope="module")
def strict_about_time(tmp_path_factory: pytest.TempPathFactory, transport: str) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("time")
    Sums(name="sums").write(folder / "repository")
    settings: dict[str, Any] = {
        "transport": transport,
        "handshake_timeout_seconds": 0.5,
        "connection_idle_seconds": 0.5,
        "keepalive_seconds": 1,
        "keepalive_timeout_seconds": 1,
    }
    with running_server(folder / "repository", folder, **settings) as server:
        yield server


def connected(server: RunningServer) -> socket.socket:
    host, _, port = server.grpc.rpartition(":")
    return socket.create_connection((host, int(port)), timeout=30)


def await_close(connection: socket.socket) -> None:
    try:
        while connection.recv(65536):
            pass
    except ConnectionResetError:
        pass


@pytest.mark.parametrize("said", [b"", _PREFACE[:10], _PREFACE, b"GET / HTTP/1.1\r\n\r\n"])
def test_a_connection_that_does_not_begin_is_closed(strict_about_time: RunningServer, said: bytes) -> None:
    with ExitStack() as stack:
        connections = [stack.enter_context(connected(strict_about_time)) for _ in range(50)]
        for connection in connections:
            connection.sendall(said)
        for connection in connections:
            await_close(connection)


def test_a_connection_without_calls_is_closed(strict_about_time: RunningServer) -> None:
    with http2_connection(strict_about_time.grpc) as connection, pytest.raises((SentAwayError, ConnectionError)):
        connection.listen(30)


def test_clients_do_not_notice_that_their_idle_connection_was_closed(strict_about_time: RunningServer) -> None:
    with Client(strict_about_time.grpc) as client, asking(strict_about_time.grpc) as asker:
        for _ in range(3):
            client.predict("sums", [[1.0, 2.0]])
            asker.predict(ones(3))
            with http2_connection(strict_about_time.grpc) as later, pytest.raises((SentAwayError, ConnectionError)):
                later.listen(30)  # it began later than theirs were last used, and is closed
        client.predict("sums", [[1.0, 2.0]])
        asker.predict(ones(3))


def test_a_quiet_stream_is_no_idle_connection(strict_about_time: RunningServer) -> None:
    with Client(strict_about_time.grpc) as client, client.stream("sums") as stream:
        stream.send([[1.0, 2.0]])
        with http2_connection(strict_about_time.grpc) as other, pytest.raises((SentAwayError, ConnectionError)):
            other.listen(30)
        assert stream.send([[1.0, 2.0]]).frame_count == 1


def test_a_caller_that_has_stopped_is_found_out(strict_about_time: RunningServer) -> None:
    server = strict_about_time
    ends = server.total("soloist_sessions_ended_total", reason="cancelled")
    command = [sys.executable, "-c", _CALLER, server.grpc]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as caller:
        assert caller.stdout is not None
        assert caller.stdout.readline() == "open\n"
        assert server.total("soloist_sessions_open") == 1
        os.kill(caller.pid, signal.SIGSTOP)
        try:
            assert eventually(lambda: server.total("soloist_sessions_open") == 0)
            assert server.total("soloist_sessions_ended_total", reason="cancelled") == ends + 1
        finally:
            caller.kill()


def test_connections_at_once_are_bounded(tmp_path: Path, transport: str) -> None:
    Sums(name="sums").write(tmp_path / "repository")
    settings: dict[str, Any] = {"transport": transport, "max_connections": 3}
    with running_server(tmp_path / "repository", tmp_path, **settings) as server, ExitStack() as stack:
        kept = [stack.enter_context(http2_connection(server.grpc)) for _ in range(3)]
        for connection in kept:
            connection.ping()
        with connected(server) as one_more:
            await_close(one_more)
        kept[0].close()
        with Client(server.grpc) as client:
            client.wait_until_ready(30)


@ON_BOTH
@pytest.mark.parametrize(
    "many", [(("big", "x" * 80_000),), tuple((f"name-{number}", "x" * 50) for number in range(1000))]
)
def test_headers_are_bounded(strict: RunningServer, many: tuple[tuple[str, str], ...]) -> None:
    request = pb.PredictRequest(model="sums", frames=ones(3))
    with asking(strict.grpc) as asker:
        with pytest.raises(grpc.RpcError) as caught:
            asker.stub.Predict(request, metadata=many)
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert asker.stub.Predict(request, metadata=(("usual", "x" * 8000),)).frame_count == 3


def test_calls_that_are_reset_at_once_leave_nothing(strict_about_time: RunningServer) -> None:
    before = peak_bytes(strict_about_time)
    with http2_connection(strict_about_time.grpc) as connection, asking(strict_about_time.grpc) as asker:
        try:
            for stream in range(1, 40_001, 2):
                connection.open_call("/soloist.v1.SequenceInference/Stream", stream)
                connection.reset(stream)
            connection.ping()
        except (SentAwayError, ConnectionError):
            pass  # gRPC may have had enough of it
        assert asker.predict(ones(3)).frame_count == 3
        assert eventually(lambda: strict_about_time.total("soloist_sessions_open") == 0)
    # Without a bound it is 200 MiB, and ten times as much for ten times as many.
    assert peak_bytes(strict_about_time) - before < 100 * 2**20
