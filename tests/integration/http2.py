"""Owns an HTTP/2 connection made by hand: PING frames as any client library or proxy may send them, at any rate."""

from __future__ import annotations

import select
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_HEADERS, _SETTINGS, _PING, _GOAWAY = 1, 4, 6, 7
_ACK, _END_HEADERS = 1, 4
_HEADER_BYTES = 9
_TIMEOUT_SECONDS = 30.0


class SentAwayError(Exception):
    """The server has sent GOAWAY; the text is its debug data."""


class Http2Connection:
    """One connection; its frames are read when they are waited for."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._received = b""
        self.pings_received = 0
        sock.sendall(_PREFACE)
        self._send(_SETTINGS, 0, 0, b"")

    def open_call(self, path: str) -> None:
        """Send the headers of a call, and nothing else."""
        fields = {":method": "POST", ":scheme": "http", ":path": path, ":authority": "test", "te": "trailers"}
        fields["content-type"] = "application/grpc"
        # Literal fields without indexing, of less than 127 octets each (RFC 7541, section 6.2.2).
        block = b"".join(
            b"\x00" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()
            for name, value in fields.items()
        )
        self._send(_HEADERS, _END_HEADERS, 1, block)

    def ping(self) -> None:
        """Send one PING and wait for its answer.

        Raises:
            SentAwayError: the server doesn't want to see more.

        """
        self._send(_PING, 0, 0, b"8 octets")
        while self._read_frame(_TIMEOUT_SECONDS) != (_PING, _ACK):
            pass

    def listen(self, seconds: float) -> None:
        """Take in what comes within a time; pings of the server are answered and counted.

        Raises:
            SentAwayError: the server doesn't want to see more.

        """
        until = time.monotonic() + seconds
        while (remaining := until - time.monotonic()) > 0 and self._read_frame(remaining) is not None:
            pass

    def _send(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        self._socket.sendall(struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload)

    def _read_frame(self, seconds: float) -> tuple[int, int] | None:
        """Read one frame: its kind and flags; None when none comes in time."""
        head = self._read(_HEADER_BYTES, seconds)
        if head is None:
            return None
        kind, flags, _ = struct.unpack(">BBI", head[3:])
        payload = self._read(int.from_bytes(head[:3]), _TIMEOUT_SECONDS) or b""
        if kind == _GOAWAY:
            raise SentAwayError(payload[8:].decode())
        if kind == _SETTINGS and not flags & _ACK:
            self._send(_SETTINGS, _ACK, 0, b"")
        if kind == _PING and not flags & _ACK:
            self.pings_received += 1
            self._send(_PING, _ACK, 0, payload)
        return kind, flags

    def _read(self, size: int, seconds: float) -> bytes | None:
        until = time.monotonic() + seconds
        while len(self._received) < size:
            if not select.select([self._socket], [], [], max(0.0, until - time.monotonic()))[0]:
                return None
            received = self._socket.recv(65536)
            if not received:
                raise ConnectionError("the server has closed the connection")
            self._received += received
        taken, self._received = self._received[:size], self._received[size:]
        return taken


@contextmanager
def http2_connection(target: str) -> Iterator[Http2Connection]:
    """Connect to a server (host:port)."""
    host, _, port = target.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=_TIMEOUT_SECONDS) as sock:
        yield Http2Connection(sock)
