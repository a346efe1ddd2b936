"""Callers that speak TLS badly, or not at all: their time and number are bounded, and others are answered."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from bench.tls.caller import TlsCaller
from bench.tls.certificates import Authority, Mounted, client_context
from bench.tls.records import client_hello, mutations, named_cases
from soloist import Client, SoloistError
from tests.graphs import Sums
from tests.servers import RunningServer, eventually, running_server

HANDSHAKE_SECONDS = 1
MAX_CONNECTIONS = 16
PATIENCE_SECONDS = 30
CROWD = 5 * MAX_CONNECTIONS
SOME = 6  # of those who ask, and of the server itself
PORTS = ("grpc", "http")


@pytest.fixture(scope="module")
def caller(transport: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsCaller[RunningServer]]:
    folder, authority = tmp_path_factory.mktemp("bounds"), Authority()
    mounted = Mounted(folder / "secret", authority.server())
    Sums(name="sums").write(folder / "repository")
    settings: dict[str, Any] = {
        "transport": transport,
        "handshake_timeout_seconds": HANDSHAKE_SECONDS,
        "max_connections": MAX_CONNECTIONS,
        "max_http_connections": MAX_CONNECTIONS,
        "log_format": "json",
        **mounted.settings(clients=False),
    }
    with running_server(folder / "repository", folder, **settings) as server:
        yield TlsCaller(server, authority.anonymous(), folder)
        assert not [line for line in server.log() if line["level"] in ("warning", "error", "critical")]


def connected(server: RunningServer, port: str) -> socket.socket:
    host, _, number = (server.grpc if port == "grpc" else server.http).rpartition(":")
    return socket.create_connection((host, int(number)), timeout=PATIENCE_SECONDS)


def all_of(connection: socket.socket) -> bytes:
    """Return what comes until the server closes."""
    found = b""
    with suppress(ConnectionResetError):
        while some := connection.recv(65536):
            found += some
    return found


def is_answered(caller: TlsCaller[RunningServer]) -> bool:
    try:
        with Client(caller.target, tls=caller.tls, timeout_seconds=10) as client:
            frames = client.predict("sums", [[1.0, 2.0]]).frame_count
        return frames == 1 and caller.get("/healthz") == (200, "alive\n")
    except (OSError, SoloistError):  # the port is full
        return False


@pytest.mark.parametrize("port", PORTS)
def test_what_is_no_tls_ends_in_time_and_harms_nobody(caller: TlsCaller[RunningServer], port: str) -> None:
    for sent in [*named_cases().values(), *islice(mutations(seed=1), 15)]:
        with connected(caller.server, port) as connection:
            with suppress(OSError):  # it has been closed already
                connection.sendall(sent)
                connection.shutdown(socket.SHUT_WR)  # those that are cut are cut off
            assert not all_of(connection).startswith(b"HTTP/")
    assert is_answered(caller)


@pytest.mark.parametrize("port", PORTS)
@pytest.mark.parametrize("name", ["nothing", "one byte", "half a ClientHello", "a ClientHello and no more"])
def test_a_handshake_that_never_ends_is_ended(caller: TlsCaller[RunningServer], port: str, name: str) -> None:
    sent = named_cases()[name]
    with connected(caller.server, port) as connection:
        connection.sendall(sent)
        all_of(connection)  # raises if it isn't closed in time
    assert is_answered(caller)


@pytest.mark.parametrize("port", PORTS)
def test_handshakes_at_once_are_bounded(caller: TlsCaller[RunningServer], port: str) -> None:
    before = caller.total("process_open_fds")
    with ExitStack() as stack:
        crowd = [stack.enter_context(connected(caller.server, port)) for _ in range(CROWD)]
        assert caller.total("process_open_fds") <= before + MAX_CONNECTIONS + MAX_CONNECTIONS // 4 + SOME
        assert eventually(lambda: is_answered(caller))
        for connection in crowd:
            all_of(connection)
    assert is_answered(caller)


@pytest.mark.parametrize("port", PORTS)
@pytest.mark.parametrize(
    ("version", "ciphers", "is_taken"),
    [
        (ssl.TLSVersion.TLSv1_1, "DEFAULT:@SECLEVEL=0", False),
        (ssl.TLSVersion.TLSv1_2, "ECDHE+AES256:!AESGCM:!AESCCM", False),
        (ssl.TLSVersion.TLSv1_2, "ECDHE+AESGCM", True),
        (ssl.TLSVersion.TLSv1_3, "DEFAULT", True),
    ],
)
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated:DeprecationWarning")
def test_old_versions_and_ciphers_are_refused(
    caller: TlsCaller[RunningServer], port: str, version: ssl.TLSVersion, ciphers: str, is_taken: bool
) -> None:
    context = client_context(caller.tls, caller.folder)
    context.set_ciphers(ciphers)
    context.set_alpn_protocols(["h2" if port == "grpc" else "http/1.1"])
    context.minimum_version = context.maximum_version = version
    with connected(caller.server, port) as plain:
        if not is_taken:
            with pytest.raises(OSError, match=r"alert|closed|reset|EOF"):
                context.wrap_socket(plain, server_hostname="localhost")
            return
        with context.wrap_socket(plain, server_hostname="localhost") as connection:
            assert connection.version() == version.name.replace("_", ".")
            assert connection.selected_alpn_protocol() == ("h2" if port == "grpc" else "http/1.1")


def test_tls_to_a_plain_port_ends_in_time(transport: str, tmp_path: Path) -> None:
    Sums(name="sums").write(tmp_path / "repository")
    settings: dict[str, Any] = {"transport": transport, "handshake_timeout_seconds": HANDSHAKE_SECONDS}
    with running_server(tmp_path / "repository", tmp_path, **settings) as server:
        for port in PORTS:
            with connected(server, port) as connection:
                connection.sendall(client_hello())
                all_of(connection)
        with Client(server.grpc) as client:
            assert client.predict("sums", [[1.0, 2.0]]).frame_count == 1
        assert server.get("/healthz") == (200, "alive\n")
