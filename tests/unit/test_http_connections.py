"""HTTP callers that idle, reset, send nonsense, or come in crowds: none prints a traceback, and others are answered."""

from __future__ import annotations

import asyncio
import select
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from service.core.addresses import listening_socket
from service.core.failures import Failures
from service.transport.http.application import HttpApplication
from service.transport.http.messages import Request, Response
from tests.http_port import MAX_CONNECTIONS, serving_application, serving_pages


@pytest.fixture
def port() -> Iterator[int]:
    with serving_pages(CollectorRegistry(), Failures(CollectorRegistry())) as port:
        yield port


def _reset(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as caller:
        caller.sendall(b"GET /metrics HTTP/1.1\r\n")
        caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _nonsense(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as caller:
        caller.sendall(b"\x00\xff" * 1000 + b"\r\n\r\n")
        assert _all(caller)


def _endless_line(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as caller:
        caller.sendall(b"GET /" + b"a" * 2**20)
        assert b" 414 " in _all(caller)


def _large_body(port: int) -> None:
    head = b"POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 2097152\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port)) as caller:
        caller.sendall(head + b"x" * 2**21)
        assert b" 405 " in _all(caller)


@pytest.mark.parametrize("call", [_reset, _nonsense, _endless_line, _large_body])
def test_what_callers_break_is_not_the_servers_trouble(
    port: int, call: Callable[[int], None], capfd: pytest.CaptureFixture[str]
) -> None:
    with capture_logs() as lines:
        for _ in range(3):
            call(port)
        assert b" 200 " in _get(port, "/healthz")
    assert capfd.readouterr().err == ""
    assert [line for line in lines if line["log_level"] != "debug"] == []


def test_callers_who_say_nothing_keep_nobody_out(port: int) -> None:
    with ExitStack() as stack:
        for _ in range(MAX_CONNECTIONS + 20):
            stack.enter_context(socket.create_connection(("127.0.0.1", port)))
        assert b" 200 " in _get(port, "/healthz")
        assert b" 200 " in _get(port, "/metrics")


async def _large(_request: Request) -> Response:
    return Response(status=200, headers={}, body=(bytes(2**26),))


async def _stuck(_request: Request) -> Response:
    await asyncio.Event().wait()
    raise AssertionError


async def _failing(_request: Request) -> Response:
    raise KeyError("secret")


@pytest.fixture
def hasty() -> Iterator[int]:
    app = HttpApplication({"/large": _large, "/stuck": _stuck, "/failing": _failing}, page_seconds=0.2)
    with serving_application(app, Failures(CollectorRegistry())) as port:
        yield port


def test_who_does_not_read_its_answer_is_sent_away(hasty: int, caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_connection(("127.0.0.1", hasty)) as caller:
        caller.sendall(b"GET /large HTTP/1.1\r\n\r\n")
        # Its end is seen without reading: what the system holds for it is much less than the answer.
        waiting = select.poll()
        waiting.register(caller, select.POLLHUP | select.POLLERR)
        assert waiting.poll(10_000)
    assert not caplog.records


async def test_small_answers_are_sent_at_once() -> None:
    accepted: asyncio.Queue[int] = asyncio.Queue()

    async def accept(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted.put_nowait(writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        writer.close()

    with listening_socket("127.0.0.1", 0) as sock:
        async with await asyncio.start_server(accept, sock=sock):
            _, writer = await asyncio.open_connection(*sock.getsockname())
            assert await accepted.get() == 1
            writer.close()


def test_a_page_that_takes_too_long_or_fails_is_told(hasty: int) -> None:
    with capture_logs() as lines:
        assert b" 503 " in _get(hasty, "/stuck")
        found = _get(hasty, "/failing")
    assert b" 500 " in found
    assert b"secret" not in found
    assert [line["event"] for line in lines] == ["HTTP request failed"]


def _get(port: int, path: str) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as caller:
        caller.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
        return _all(caller)


def _all(caller: socket.socket) -> bytes:
    caller.settimeout(10)
    found = b""
    try:
        while some := caller.recv(65536):
            found += some
    except ConnectionResetError:
        pass
    return found
