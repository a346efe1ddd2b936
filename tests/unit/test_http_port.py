from __future__ import annotations

import http.client
import socket
import struct
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import pytest
from prometheus_client import CollectorRegistry, Counter

from service.core.failures import Failures
from tests.http_port import serving_pages
from tests.servers import eventually


class Readiness:
    def __init__(self) -> None:
        self.reason = ""


def failures() -> Failures:
    return Failures(CollectorRegistry())


@pytest.fixture
def readiness() -> Readiness:
    return Readiness()


@pytest.fixture
def address(readiness: Readiness) -> Iterator[str]:
    registry = CollectorRegistry()
    Counter("eggs", "Eggs laid", registry=registry).inc(3)
    with serving_pages(registry, failures(), lambda: readiness.reason) as port:
        yield f"http://127.0.0.1:{port}"


def fetch(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=10) as response:  # noqa: S310  # our own http address
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_a_proxy_of_the_environment_is_not_asked_for_loopback(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as dead:
        dead.bind(("127.0.0.1", 0))  # and nobody listens
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{dead.getsockname()[1]}")
        assert fetch(f"{address}/healthz") == (200, "alive\n")


def test_metrics_come_from_the_registry(address: str) -> None:
    status, body = fetch(f"{address}/metrics")
    assert status == 200
    assert "eggs_total 3.0" in body


def test_alive_even_when_not_ready(address: str, readiness: Readiness) -> None:
    readiness.reason = "models are loading"
    assert fetch(f"{address}/healthz") == (200, "alive\n")
    assert fetch(f"{address}/readyz") == (503, "models are loading\n")


def test_ready_when_there_is_no_reason_against_it(address: str) -> None:
    assert fetch(f"{address}/readyz") == (200, "ready\n")


def test_an_unknown_path_names_the_known_ones(address: str) -> None:
    status, body = fetch(f"{address}/secret")
    assert status == 404
    assert "/metrics" in body


def ask(address: str, method: str, path: str, body: bytes | None = None) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=10)
    try:
        connection.request(method, path, body)
        response = connection.getresponse()
        return response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
    finally:
        connection.close()


PATHS = ("/metrics", "/healthz", "/readyz", "/v2/health/live", "/v2/health/ready", "/secret")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("reason", ["", "models are loading"])
def test_head_is_get_without_the_body(address: str, readiness: Readiness, path: str, reason: str) -> None:
    readiness.reason = reason
    status, headers, body = ask(address, "GET", path)
    assert body
    head_status, head_headers, nothing = ask(address, "HEAD", path)
    assert (head_status, nothing) == (status, b"")
    assert head_headers["content-length"] == str(len(body))
    assert {**head_headers, "date": ""} == {**headers, "date": ""}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_other_methods_are_refused(address: str, path: str, method: str) -> None:
    body = b"x" * 1000 if method in {"POST", "PUT", "PATCH"} else None
    status, headers, _ = ask(address, method, path, body)
    assert (status, headers["allow"]) == (405, "GET, HEAD")


def test_the_health_of_the_open_inference_protocol(address: str, readiness: Readiness) -> None:
    assert fetch(f"{address}/v2/health/live") == (200, '{"live": true}')
    assert fetch(f"{address}/v2/health/ready") == (200, '{"ready": true}')
    readiness.reason = "models are loading"
    assert fetch(f"{address}/v2/health/live") == (200, '{"live": true}')
    assert fetch(f"{address}/v2/health/ready") == (400, '{"ready": false, "error": "models are loading"}')


def test_a_silent_caller_holds_up_nobody(address: str) -> None:
    host, port = address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))):
        assert fetch(f"{address}/healthz") == (200, "alive\n")


def test_nothing_is_written_about_a_request(address: str, capfd: pytest.CaptureFixture[str]) -> None:
    fetch(f"{address}/healthz")
    assert capfd.readouterr() == ("", "")


def test_a_taken_port_is_an_error(address: str) -> None:
    port = int(address.rsplit(":", 1)[1])
    with pytest.raises(OSError, match="in use"), serving_pages(CollectorRegistry(), failures(), port=port):
        pass


def talk(address: str, said: bytes, *, half_close: bool = False) -> bytes:
    """Send bytes as they are and read until the server has closed."""
    host, port = address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=15) as connection:
        connection.sendall(said)
        if half_close:
            connection.shutdown(socket.SHUT_WR)
        reported = b""
        while some := connection.recv(65536):
            reported += some
        return reported


def test_who_sends_a_large_body_gets_the_answer(address: str) -> None:
    status, headers, _ = ask(address, "POST", "/metrics", b"x" * 20_000_000)
    assert (status, headers["allow"]) == (405, "GET, HEAD")


def test_what_follows_a_request_is_dropped(address: str) -> None:
    reported = talk(
        address, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" + b"\x00\xff garbage\r\n" * 50_000, half_close=True
    )
    assert reported.startswith(b"HTTP/1.1 200 OK\r\n")
    assert reported.endswith(b"alive\n")


@pytest.mark.parametrize(
    "said", [b"GET /" + b"x" * 1_000_000 + b" HTTP/1.1\r\n\r\n", b"GET /healthz HTTP/1.1\r\n" + b"A: b\r\n" * 200]
)
def test_a_request_that_is_too_long_is_refused(address: str, said: bytes) -> None:
    assert talk(address, said, half_close=True).split()[1].startswith(b"4")
    assert fetch(f"{address}/healthz") == (200, "alive\n")


@pytest.mark.parametrize("said", [b"", b"GET /metrics", b"GET /metrics HTTP/1.1\r\nX-Slow: ", b"\x16\x03\x01 no HTTP"])
@pytest.mark.parametrize("reset", [True, False])
def test_who_leaves_is_not_written_about(
    address: str, said: bytes, reset: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    host, port = address.removeprefix("http://").split(":")
    connection = socket.create_connection((host, int(port)))
    connection.sendall(said)
    if reset:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
    for _ in range(3):
        assert fetch(f"{address}/healthz") == (200, "alive\n")
    assert "Traceback" not in "".join(capfd.readouterr())


def test_many_who_say_nothing_hold_up_nobody(address: str) -> None:
    host, port = address.removeprefix("http://").split(":")
    with ExitStack() as stack:
        silent = [stack.enter_context(socket.create_connection((host, int(port)))) for _ in range(300)]
        for connection in silent:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nX-Slow: ")
        for _ in range(20):
            assert fetch(f"{address}/healthz") == (200, "alive\n")
        silent[0].settimeout(10)
        with suppress(ConnectionResetError):
            assert silent[0].recv(1) == b""  # the oldest had to make room


def test_who_does_not_read_is_let_go(address: str) -> None:
    threads = threading.active_count()
    host, port = address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
        assert fetch(f"{address}/metrics")[0] == 200
        assert eventually(lambda: threading.active_count() <= threads)
