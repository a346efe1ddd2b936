"""An HTTP/2 connection made by hand: frames that no client library sends, or not at such a rate."""

from __future__ import annotations

import select
import socket
import struct
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RESET, SETTINGS, PING, GOAWAY = 0, 1, 3, 4, 6, 7
WINDOW_UPDATE, CONTINUATION = 8, 9
_ACK, END_STREAM, END_HEADERS = 1, 1, 4
_INITIAL_WINDOW, _FRAME_BYTES = 65_535, 16_384
_INITIAL_WINDOW_SETTING = 4
_HEADER_BYTES = 9
_TIMEOUT_SECONDS = 30.0
_NOTHING: Mapping[str, str | None] = {}


class SentAwayError(Exception):
    """The server has sent GOAWAY; the text is its debug data."""


class Http2Connection:
    """One connection; its frames are read when they are waited for."""

    def __init__(self, sock: socket.socket, settings: bytes) -> None:
        self._socket = sock
        self._received = b""
        self._windows = {0: _INITIAL_WINDOW}
        self._initial_window = _INITIAL_WINDOW
        self.pings_received = 0
        self.sent_bytes = 0  # by `fill_stream`
        self.ended: set[int] = set()  # streams that the server has ended
        self.was_reset: set[int] = set()  # those that it has reset, or whose other half it doesn't want
        sock.sendall(PREFACE)
        self._send(SETTINGS, 0, 0, settings)

    def open_call(
        self, path: str, stream: int = 1, *, replaced: Mapping[str, str | None] = _NOTHING, **more: str
    ) -> None:
        """Send the headers of a call, and nothing else; `replaced` ones have other values, or are left out."""
        fields = {":method": "POST", ":scheme": "http", ":path": path, ":authority": "test", "te": "trailers"}
        fields["content-type"] = "application/grpc"
        fields |= {name.replace("_", "-"): value for name, value in more.items()}
        for name, value in replaced.items():
            fields.pop(name)
            fields |= {} if value is None else {name: value}
        fields = dict(sorted(fields.items(), key=lambda field: not field[0].startswith(":")))
        # Literal fields without indexing (RFC 7541, section 6.2.2).
        block = b"".join(b"\x00" + _text(name) + _text(value) for name, value in fields.items())
        self._windows[stream] = self._initial_window
        first, *rest = [block[start : start + _FRAME_BYTES] for start in range(0, len(block), _FRAME_BYTES)]
        self._send(HEADERS, 0 if rest else END_HEADERS, stream, first)
        for index, part in enumerate(rest, 1):
            self._send(CONTINUATION, END_HEADERS if index == len(rest) else 0, stream, part)

    def send_message(
        self, message: bytes, stream: int = 1, *, announced: int | None = None, more: bool = False, flag: int = 0
    ) -> int:
        """Send a message and end this half, as the windows let it; tells how much went before the server ended it.

        If `more` messages follow, or it is `announced` to be longer, this half stays open. `flag` 1: it is compressed.
        """
        rest = memoryview(struct.pack(">BI", flag, len(message) if announced is None else announced) + message)
        size = len(rest)
        while rest and stream not in self.ended:
            room = min(self._windows[0], self._windows[stream], _FRAME_BYTES)
            if room <= 0:
                if self._read_frame(_TIMEOUT_SECONDS) is None:
                    raise TimeoutError("the server takes no more")
                continue
            part, rest = bytes(rest[:room]), rest[room:]
            self._send(DATA, 0, stream, part)
            self._windows[0] -= len(part)
            self._windows[stream] -= len(part)
            self.listen(0)
        if announced is None and not more and stream not in self.ended:
            self.end_half(stream)
        return size - len(rest)

    def end_half(self, stream: int = 1) -> None:
        """Send no more."""
        self._send(DATA, END_STREAM, stream, b"")

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    def reset(self, stream: int) -> None:
        """Cancel a call."""
        self._send(RESET, 0, stream, struct.pack(">I", 8))

    def await_end(self, stream: int = 1) -> None:
        """Wait until the server has ended a call."""
        while stream not in self.ended:
            if self._read_frame(_TIMEOUT_SECONDS) is None:
                raise TimeoutError("the server doesn't end the call")

    def ping(self) -> None:
        """Send one PING and wait for its answer.

        Raises:
            SentAwayError: the server doesn't want to see more.

        """
        self._send(PING, 0, 0, b"8 octets")
        while self._read_frame(_TIMEOUT_SECONDS) != (PING, _ACK):
            pass

    def listen(self, seconds: float) -> None:
        """Take in what comes within a time; pings of the server are answered and counted.

        Raises:
            SentAwayError: the server doesn't want to see more.

        """
        until = time.monotonic() + seconds
        while self._read_frame(max(0.0, until - time.monotonic())) is not None:
            pass

    def fill_stream(self, stream: int) -> None:
        """Send of a message without end what the windows let through, and no more."""
        self.listen(0)
        while (room := min(self._windows[0], self._windows[stream], _FRAME_BYTES)) > 0:
            part = (b"\0\x00\xff\0\0" + bytes(room))[:room]
            self._send(DATA, 0, stream, part)
            self._windows[0] -= room
            self._windows[stream] -= room
            self.sent_bytes += room
            self.listen(0)

    def send_bytes(self, data: bytes) -> None:
        """Send bytes as they are."""
        self._socket.sendall(data)

    def fill(
        self,
        data: bytes,
        most_bytes: int,
        patience_seconds: float,
        on_sent: Callable[[int], None] = lambda _sent: None,
    ) -> int:
        """Send the same bytes again and again without reading anything; return how many the server took in.

        Ends when the server takes nothing for so long, or has closed the connection.
        """
        sent = 0
        while sent < most_bytes and select.select([], [self._socket], [], patience_seconds)[1]:
            try:
                taken = self._socket.send(memoryview(data)[sent % len(data) :], socket.MSG_DONTWAIT)
                sent += taken
                on_sent(taken)
            except BlockingIOError:
                continue
            except OSError:
                break
        return sent

    def _send(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        self._socket.sendall(frame(kind, flags, stream, payload))

    def _read_frame(self, seconds: float) -> tuple[int, int] | None:
        """Read one frame: its kind and flags; None when none comes in time."""
        head = self._read(_HEADER_BYTES, seconds)
        if head is None:
            return None
        kind, flags, stream = struct.unpack(">BBI", head[3:])
        payload = self._read(int.from_bytes(head[:3]), _TIMEOUT_SECONDS) or b""
        if kind == GOAWAY:
            raise SentAwayError(payload[8:].decode())
        if kind == SETTINGS and not flags & _ACK:
            self._adopt(payload)
            self._send(SETTINGS, _ACK, 0, b"")
        if kind == WINDOW_UPDATE:
            self._windows[stream] = self._windows.get(stream, self._initial_window) + struct.unpack(">I", payload)[0]
        if kind == RESET:
            self.was_reset.add(stream)
        if kind == RESET or (kind in (DATA, HEADERS) and flags & END_STREAM):
            self.ended.add(stream)
        if kind == PING and not flags & _ACK:
            self.pings_received += 1
            self._send(PING, _ACK, 0, payload)
        return kind, flags

    def _adopt(self, settings: bytes) -> None:
        for number, value in struct.iter_unpack(">HI", settings):
            if number == _INITIAL_WINDOW_SETTING:
                for stream in self._windows.keys() - {0}:
                    self._windows[stream] += value - self._initial_window
                self._initial_window = value

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


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """Return one frame (RFC 9113, section 4.1)."""
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def _text(value: str) -> bytes:
    """Write a text with its length before it (RFC 7541, section 5)."""
    rest, size = len(value) - 127, bytes([min(len(value), 127)])
    while rest >= 128:
        size += bytes([rest % 128 + 128])
        rest //= 128
    return size + (bytes([rest]) if len(value) >= 127 else b"") + value.encode()


@contextmanager
def http2_connection(target: str, *, initial_window: int = _INITIAL_WINDOW) -> Iterator[Http2Connection]:
    """Connect to a server (host:port); `initial_window` is how much of an answer it may send unasked."""
    host, _, port = target.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=_TIMEOUT_SECONDS) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # as all libraries do
        yield Http2Connection(sock, struct.pack(">HI", _INITIAL_WINDOW_SETTING, initial_window))
