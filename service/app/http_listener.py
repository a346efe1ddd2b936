"""The HTTP listener: a bounded number of connections, each for a bounded time, with one request, on its own thread."""

from __future__ import annotations

import errno
import socket
import sys
import threading
import time
from contextlib import suppress
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import ServerHandler, WSGIRequestHandler, WSGIServer

import structlog

from service.core.addresses import bind, resolve

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

_log = structlog.get_logger("soloist.http")
MAX_CONNECTIONS = 32
# The longest time of a connection, whatever its caller does.
_MAX_SECONDS = 10.0
_SILENCE_SECONDS = 5.0
# How much of an unwanted body is read: if a connection closes with unread bytes, its answer is lost.
_MAX_UNWANTED_BYTES = 64 * 2**20
_LINGER_SECONDS = 1.0
_NO_DESCRIPTORS = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_RETRY_SECONDS = 0.05


class HttpListener(ThreadingMixIn, WSGIServer):
    """A server with one thread per connection. Above the limit, the oldest is closed: slow ones are old."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, host: str, port: int, app: WSGIApplication) -> None:
        """Listen on an address. Raises OSError if it can't be bound."""
        self.address_family, address = resolve(host, port)
        self._lock = threading.Lock()
        # Connections with the time of their beginning in seconds, the oldest first.
        self._open: dict[socket.socket, float] = {}
        super().__init__(address, _Handler)  # type: ignore[arg-type]  # an IPv6 address has four parts
        self.set_app(app)

    def server_bind(self) -> None:
        """Bind without looking up the host's name, which can take seconds."""
        bind(self.socket, self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = "localhost", int(self.server_address[1])
        self.setup_environ()

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept a connection."""
        try:
            return super().get_request()
        except OSError as error:
            if error.errno in _NO_DESCRIPTORS:
                time.sleep(_RETRY_SECONDS)  # otherwise it would be tried again at once, for ever
            raise

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer a connection on a thread of its own."""
        with self._lock:
            if len(self._open) >= MAX_CONNECTIONS:
                oldest = next(iter(self._open))
                _break(oldest)
                del self._open[oldest]
            self._open[request] = time.monotonic()
        super().process_request(request, client_address)

    def service_actions(self) -> None:
        """Close connections that have been open for too long; called several times a second."""
        late = time.monotonic() - _MAX_SECONDS
        with self._lock:
            for connection in [each for each, began in self._open.items() if began < late]:
                _break(connection)
                del self._open[connection]

    def shutdown_request(self, request: Any) -> None:
        """End a connection so that its caller gets the whole answer."""
        with suppress(OSError):
            request.shutdown(socket.SHUT_WR)
            request.settimeout(_LINGER_SECONDS)
            unwanted = 0
            while unwanted < _MAX_UNWANTED_BYTES and (some := request.recv(65536)):
                unwanted += len(some)
        with self._lock:
            self._open.pop(request, None)
            request.close()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002  # the base class's
        """Log errors that aren't the caller's; callers reset connections and stop sending every day."""
        error = sys.exception()
        if isinstance(error, OSError):
            _log.debug("HTTP connection broken", peer=str(client_address[0]), cause=str(error))
        else:
            _log.exception("HTTP request failed", peer=str(client_address[0]))


def _break(connection: socket.socket) -> None:
    # Its thread gets an error, and closes it.
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


class _Handler(WSGIRequestHandler):
    """The handler of one request. It writes no access log, and drops callers who send nothing."""

    timeout = _SILENCE_SECONDS

    def handle(self) -> None:
        """Answer one request."""
        self.raw_requestline = self.rfile.readline(65537)
        if len(self.raw_requestline) > 65536:
            self.requestline = self.request_version = self.command = ""
            self.send_error(414)
        elif self.parse_request():
            handler: Any = _Answering(self.rfile, self.wfile, sys.stderr, self.get_environ())  # type: ignore[arg-type]
            handler.request_handler = self
            handler.run(self.server.get_app())  # type: ignore[attr-defined]  # a WSGIServer

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the base class calls it that
        """Log nothing: scrapers and probes come every few seconds."""


class _Answering(ServerHandler):
    def log_exception(self, exc_info: Any) -> None:
        """Log an error through our logging; the base class prints it."""
        if isinstance(exc_info[1], OSError):
            _log.debug("HTTP answer not delivered", cause=str(exc_info[1]))
        else:
            _log.error("HTTP request failed", exc_info=exc_info[1])
