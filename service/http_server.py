"""The HTTP port: /metrics, /healthz and /readyz, on threads of their own so that a scrape never delays a call."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from socketserver import TCPServer, ThreadingMixIn
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from prometheus_client import CollectorRegistry, make_wsgi_app

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment


class _Server(ThreadingMixIn, WSGIServer):
    """A thread a request. None of them keeps the process alive."""

    daemon_threads = True

    def server_bind(self) -> None:
        """Bind without looking up the host's name, which can take seconds."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = "localhost", self.server_address[1]
        self.setup_environ()


class _Handler(WSGIRequestHandler):
    """Writes no access log, and lets go of callers who say nothing."""

    timeout = 5

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the base class calls it that
        """Say nothing: scrapers and probes come every few seconds."""


def make_app(registry: CollectorRegistry, why_not_ready: Callable[[], str]) -> WSGIApplication:
    """Build the WSGI application.

    Args:
        registry: what /metrics shows.
        why_not_ready: why calls would be refused, for /readyz; empty when they would not. Called on other threads.

    """
    metrics: WSGIApplication = make_wsgi_app(registry)

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        match environ["PATH_INFO"]:
            case "/metrics":
                return metrics(environ, start_response)
            case "/healthz":
                status, text = HTTPStatus.OK, "alive"
            case "/readyz":
                reason = why_not_ready()
                status, text = (HTTPStatus.SERVICE_UNAVAILABLE, reason) if reason else (HTTPStatus.OK, "ready")
            case _:
                status, text = HTTPStatus.NOT_FOUND, "try /metrics, /healthz or /readyz"
        body = f"{text}\n".encode()
        headers = [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))]
        start_response(f"{status.value} {status.phrase}", headers)
        return [body]

    return app


@contextmanager
def serving_http(host: str, port: int, app: WSGIApplication) -> Iterator[int]:
    """Serve `app` until the block ends; yields the port, which the system chooses when `port` is 0.

    Raises:
        OSError: the address can't be bound.

    """
    try:
        server = _Server((host, port), _Handler)
    except OSError as error:
        raise OSError(f"cannot listen on {host}:{port}: {error.strerror or error}") from error
    with server:
        server.set_app(app)
        # The argument is how long a stop may wait, in seconds: the loop looks for it that often.
        thread = threading.Thread(target=server.serve_forever, args=(0.1,), name="soloist-http", daemon=True)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()
