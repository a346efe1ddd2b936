"""One HTTP connection: uvicorn's, with bounds on heads, on silence and on what nobody asked for."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import TYPE_CHECKING, Any

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from service.core.client_address import client_at
from service.transport.peer_certificate import PeerCertificate, peer_certificate

if TYPE_CHECKING:
    from uvicorn import Config
    from uvicorn.server import ServerState

    from service.transport.http.connections import Connections

# What http.client, nginx and others take at most, or less.
_MAX_HEAD_BYTES = 2**16
_MAX_HEADERS = 100
# Requests that were sent before the first was answered; those of one read are parsed at once.
_MAX_AHEAD = 32
# After the last answer: if a connection closes with unread bytes, its answer is lost.
_LINGER_SECONDS = 1.0
_MAX_UNWANTED_BYTES = 64 * 2**20
_NO_LINGER = struct.pack("ii", 1, 0)


class Connection(HttpToolsProtocol):
    """One connection. The application finds it in the scope of each request, as state["connection"]."""

    def __init__(self, connections: Connections, config: Config, state: ServerState) -> None:
        super().__init__(config, state, {"connection": self})
        self.all = connections
        # The task that may be cancelled when the caller leaves: no work is done for nobody.
        self.call: asyncio.Task[Any] | None = None
        self.certificate: PeerCertificate | None = None
        self.address = ""
        self._head_bytes = self._unwanted_bytes = 0
        self._is_in_head = self._is_over = self._has_ended = False
        self._timer: asyncio.TimerHandle | None = None
        self._refusal = (400, b"this is no HTTP/1.1")

    @property
    def is_secure(self) -> bool:
        """Return whether it is over TLS."""
        return self.certificate is not None

    def abort(self) -> None:
        """Close the connection without waiting for its caller."""
        if self.cycle is not None:
            self.cycle.disconnected = True
        self.transport.abort()

    def reset(self) -> None:
        """Close the connection of a caller that doesn't read; the system forgets what it holds for it."""
        sock: socket.socket = self.transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        self.abort()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        """Begin: the first head must come in time."""
        super().connection_made(transport)
        self.certificate = peer_certificate(transport)
        self.address = client_at(str((transport.get_extra_info("peername") or ("",))[0]))
        # An answer counts as sent when the system has taken all of it. With TLS the limit is the first size that is too
        # large, and not the last that isn't; below it there is a buffer of 64 KiB.
        transport.set_write_buffer_limits(1 if self.is_secure else 0, 0)
        self.all.begin(self)
        self._start_timer(self.all.limits.head_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        """End, and with it the call in progress."""
        super().connection_lost(exc)
        self._stop_timer()
        self._unset_keepalive_if_required()
        self.all.end(self)
        if self.call is not None:
            self.call.cancel()

    def eof_received(self) -> bool:  # type: ignore[override]  # uvicorn's returns nothing
        """Cancel the call of a caller who has left; a page is still sent, since it may only have ended its side."""
        if self.call is not None or not self._is_answering or self.cycle.more_body:
            return False
        self._is_over = self._has_ended = True
        return True

    def data_received(self, data: bytes) -> None:
        """Parse what arrived, within the bounds."""
        if self._is_over:
            self._unwanted_bytes += len(data)
            if self._unwanted_bytes > _MAX_UNWANTED_BYTES:
                self.abort()
            return
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._is_over = True  # answered as if it had asked for no upgrade; nothing after it can be read
        except httptools.HttpParserError:
            self._refuse()
        else:
            self._bound_head(len(data))

    def on_message_begin(self) -> None:
        """Begin a head."""
        super().on_message_begin()
        self._is_in_head, self._head_bytes = True, 0

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; too many end the connection."""
        super().on_header(name, value)
        if len(self.headers) > _MAX_HEADERS:
            self._refusal = (431, b"send fewer headers")
            raise ValueError

    def on_headers_complete(self) -> None:
        """Begin a request, unless too many wait already."""
        if len(self.pipeline) >= _MAX_AHEAD:
            raise ValueError
        super().on_headers_complete()
        self._is_in_head = False

    def on_response_complete(self) -> None:
        """Go on with the next request, or end after the last."""
        if self._is_over and not self.pipeline:
            self._linger()
            return
        super().on_response_complete()
        self.all.waiting(self)

    @property
    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _bound_head(self, size: int) -> None:
        if not self._is_in_head:
            self._stop_timer()
            return
        if self._timer is None:
            self._start_timer(self.all.limits.head_seconds)
        self._head_bytes += size
        if self._head_bytes > _MAX_HEAD_BYTES:
            self._refusal = (431, b"send shorter headers") if self.headers else (414, b"send a shorter path")
            self._refuse()

    def _refuse(self) -> None:
        """Read nothing more. Requests before this one are still answered; otherwise the answer is a refusal."""
        self._is_over = True
        if self._is_answering and self.cycle.more_body:
            # It is the body that can't be read, so it never comes whole.
            if self.pipeline or self.cycle.response_started:
                self.abort()
                return
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        elif self._is_answering or self.pipeline:
            return
        status, words = self._refusal
        body = b'{"error":"%b"}\n' % words
        head = b"content-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(body)
        self.transport.write(STATUS_LINE[status] + head + body)
        self._linger()

    def _linger(self) -> None:
        """End our side, and wait a moment for the caller to end its own."""
        self._is_over = True
        if self._has_ended:
            self.transport.close()
        if self.transport.is_closing():
            return
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._start_timer(_LINGER_SECONDS)
        self.flow.resume_reading()

    def _start_timer(self, seconds: float) -> None:
        self._stop_timer()
        self._timer = self.loop.call_later(seconds, self.abort)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
