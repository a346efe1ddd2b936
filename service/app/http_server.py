"""The HTTP port for metrics and health, on threads of its own, so that a scrape never delays a call."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from service.app.http_listener import HttpListener
from service.core.addresses import cannot_listen, free_port, is_unix
from service.core.failures import Worker

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from service.core.failures import Failures

_PATHS = ("/metrics", "/healthz", "/readyz", "/v2/health/live", "/v2/health/ready")
_METHODS = "GET, HEAD"


def make_app(metrics: WSGIApplication, why_not_ready: Callable[[], str]) -> WSGIApplication:
    """Return the WSGI application.

    Args:
        metrics: the application that answers /metrics.
        why_not_ready: returns why calls would be refused, for /readyz; empty if they would not. Called on other
        threads.

    """

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        match environ["PATH_INFO"]:
            case "/metrics":
                return metrics(environ, start_response)
            case "/healthz":
                status, text = HTTPStatus.OK, "alive"
            case "/readyz":
                reason = why_not_ready()
                status, text = (HTTPStatus.SERVICE_UNAVAILABLE, reason) if reason else (HTTPStatus.OK, "ready")
            case "/v2/health/live":
                status, text = HTTPStatus.OK, "live"
            case "/v2/health/ready":
                # In the Open Inference Protocol the status is the answer, and 4xx means no.
                reason = why_not_ready()
                status, text = (HTTPStatus.BAD_REQUEST, reason) if reason else (HTTPStatus.OK, "ready")
            case _:
                status, text = HTTPStatus.NOT_FOUND, f"try {', '.join(_PATHS)}"
        return _answer(status, text, start_response)

    return _reading(app)


def _reading(app: WSGIApplication) -> WSGIApplication:
    """Refuse methods other than GET and HEAD, and answer HEAD like GET, without the body."""

    def reader(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        method = environ["REQUEST_METHOD"]
        if method == "GET":
            return app(environ, start_response)
        if method != "HEAD":
            return _answer(HTTPStatus.METHOD_NOT_ALLOWED, f"send {_METHODS}", start_response, ("Allow", _METHODS))
        response: list[Any] = []
        body = b"".join(app({**environ, "REQUEST_METHOD": "GET"}, lambda *given: response.extend(given)))  # type: ignore[arg-type]
        status, headers = response[:2]
        sized = [each for each in headers if each[0].lower() != "content-length"]
        start_response(status, [*sized, ("Content-Length", str(len(body)))])
        return []

    return reader


def _answer(status: HTTPStatus, text: str, start_response: StartResponse, *more: tuple[str, str]) -> Iterable[bytes]:
    body = f"{text}\n".encode()
    headers = [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body))), *more]
    start_response(f"{status.value} {status.phrase}", headers)
    return [body]


@contextmanager
def serving_http(hosts: Sequence[str], port: int, app: WSGIApplication, failures: Failures) -> Iterator[int]:
    """Serve `app` until the block ends; yields the port, which the system chooses if `port` is 0.

    It is the same on all `hosts` (service.core.addresses). Unix domain sockets are left out; if there are no others, it
    is 0.

    Raises:
        OSError: an address can't be bound.

    """
    port = free_port(hosts, port)
    with ExitStack() as stack:
        for host in hosts:
            if not is_unix(host):
                port = stack.enter_context(_serving(host, port, app, failures))
        yield 0 if all(map(is_unix, hosts)) else port


@contextmanager
def _serving(host: str, port: int, app: WSGIApplication, failures: Failures) -> Iterator[int]:
    try:
        server = HttpListener(host, port, app)
    except OSError as error:
        raise cannot_listen(host, port, error) from error
    with server:
        is_over = threading.Event()

        def serve() -> bool:
            # The argument is the longest time that a stop waits, in seconds: the loop checks for it that often.
            server.serve_forever(0.1)
            return not is_over.is_set()

        run = partial(failures.run, Worker.HTTP, serve, is_over)
        thread = threading.Thread(target=run, name="soloist-http", daemon=True)
        thread.start()
        try:
            yield server.server_port
        finally:
            is_over.set()
            server.shutdown()
            thread.join()
