from __future__ import annotations

import http.client
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry, Counter

from service.background import Failures
from service.http_server import make_app, serving_http
from service.metrics_page import MetricsPage


class Readiness:
    def __init__(self) -> None:
        self.reason = ""


def failures() -> Failures:
    return Failures(Counter("failures", "Failures", ["worker"], registry=CollectorRegistry()))


@pytest.fixture
def readiness() -> Readiness:
    return Readiness()


@pytest.fixture
def address(readiness: Readiness) -> Iterator[str]:
    registry = CollectorRegistry()
    Counter("eggs", "Eggs laid", registry=registry).inc(3)
    app = make_app(MetricsPage(registry, failures(), kept_seconds=0), lambda: readiness.reason)
    with serving_http(["127.0.0.1"], 0, app, failures()) as port:
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
    assert fetch(f"{address}/v2/health/live") == (200, "live\n")
    assert fetch(f"{address}/v2/health/ready") == (200, "ready\n")
    readiness.reason = "models are loading"
    assert fetch(f"{address}/v2/health/live") == (200, "live\n")
    assert fetch(f"{address}/v2/health/ready") == (400, "models are loading\n")


def test_a_silent_caller_holds_up_nobody(address: str) -> None:
    host, port = address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))):
        assert fetch(f"{address}/healthz") == (200, "alive\n")


def test_nothing_is_written_about_a_request(address: str, capfd: pytest.CaptureFixture[str]) -> None:
    fetch(f"{address}/healthz")
    assert capfd.readouterr() == ("", "")


def test_a_taken_port_is_an_error(address: str) -> None:
    port = int(address.rsplit(":", 1)[1])
    app = make_app(MetricsPage(CollectorRegistry(), failures(), kept_seconds=0), str)
    with pytest.raises(OSError, match="in use"), serving_http(["127.0.0.1"], port, app, failures()):
        pass
