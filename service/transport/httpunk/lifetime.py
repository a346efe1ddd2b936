"""How long a connection lives: its handshake, pings both ways, idleness and age, on one timer."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from httpunk.exceptions import H2Reason

if TYPE_CHECKING:
    import asyncio

    from service.transport.connection_limits import ConnectionLimits

# The preface of a client, 24 bytes, and the head of its SETTINGS frame.
_HANDSHAKE_BYTES = 33
_FRAME = struct.Struct(">I")
_PING_FRAME = b"\0\0\x08\x06\0\0\0\0\0"
_PING_ACK = b"\0\0\x08\x06\x01\0\0\0\0"
_PING = _PING_FRAME + b"soloist!"
_PING_BYTES = len(_PING)
# As in gRPC: so many pings that come too early are forgiven.
_FORGIVEN_PINGS = 2
# How long a connection that was told to go may stay without a call.
_GOING_SECONDS = 1.0


class Ends(Protocol):
    """What ends a connection."""

    def abort(self) -> None:
        """End it at once."""

    def close(self) -> None:
        """End it when all is sent."""

    def go_away(self) -> None:
        """Let its calls finish, take no more, and close it."""

    def write(self, frame: bytes) -> None:
        """Send a whole frame."""

    def has_calls(self) -> bool:
        """Return whether calls are in progress."""


@dataclass(slots=True)
class _Moments:
    """In seconds of the event loop's clock."""

    accepted: float
    received: float
    last_call: float
    pinged: float | None = None
    went: float | None = None


class Lifetime:
    """The timer of one connection."""

    __slots__ = (
        "_connection",
        "_early_pings",
        "_handshake_bytes",
        "_last_ping",
        "_limits",
        "_loop",
        "_moments",
        "_timer",
    )

    def __init__(self, connection: Ends, limits: ConnectionLimits, loop: asyncio.AbstractEventLoop) -> None:
        self._connection, self._limits, self._loop = connection, limits, loop
        now = loop.time()
        self._moments = _Moments(now, now, now)
        self._handshake_bytes = 0
        self._early_pings = 0
        self._last_ping = 0.0
        self._timer = loop.call_later(limits.handshake_timeout_seconds, self._check)

    def end(self) -> None:
        """Stop the timer."""
        self._timer.cancel()

    def received(self, data: bytes) -> None:
        """Take note of what the peer has sent."""
        self._moments.received = self._loop.time()
        self._moments.pinged = None
        if self._handshake_bytes < _HANDSHAKE_BYTES:
            self._handshake_bytes += len(data)
            if self._handshake_bytes >= _HANDSHAKE_BYTES:
                self._timer.cancel()
                self._check()
        # Libraries send pings alone; whoever hides them among other frames makes work by those as well.
        elif data.startswith(_PING_FRAME) and data.count(_PING_FRAME) * _PING_BYTES == len(data):
            self._count_pings(len(data) // _PING_BYTES)

    def sent(self, data: bytes | memoryview) -> None:
        """Forgive early pings when more than acknowledgements is sent: gRPC measures its windows by pings."""
        if self._early_pings and not (len(data) % _PING_BYTES == 0 and bytes(data[: len(_PING_ACK)]) == _PING_ACK):
            self._early_pings = 0

    def calls_ended(self) -> None:
        """Take note that the last call in progress is over."""
        self._moments.last_call = self._loop.time()

    def went_away(self) -> None:
        """Take note that the peer was told to go."""
        if self._moments.went is None:
            self._moments.went = self._loop.time()
            self._timer.cancel()
            self._timer = self._loop.call_later(_GOING_SECONDS, self._check)

    def _count_pings(self, count: int) -> None:
        now, shortest = self._moments.received, self._limits.min_ping_interval_seconds
        early = count - 1 if shortest else 0
        if now - self._last_ping < shortest:
            early += 1
        self._last_ping = now
        self._early_pings += early
        if self._early_pings > _FORGIVEN_PINGS:
            self._connection.write(_too_many_pings())
            self._connection.close()
            self._timer.cancel()
            self._timer = self._loop.call_later(_GOING_SECONDS, self._connection.abort)

    def _check(self) -> None:
        now = self._loop.time()
        if self._handshake_bytes < _HANDSHAKE_BYTES:
            self._connection.abort()
            return
        due = min(self._keepalive(now), self._stay(now) if self._moments.went is None else self._departure(now))
        self._timer.cancel()  # that of a connection that has just been told to go
        self._timer = self._loop.call_at(due, self._check)

    def _keepalive(self, now: float) -> float:
        """Ping a quiet peer, and end a silent one; return when to check again."""
        moments, limits = self._moments, self._limits
        if moments.pinged is not None:
            if now >= moments.pinged + limits.keepalive_timeout_seconds:
                self._connection.abort()
            return moments.pinged + limits.keepalive_timeout_seconds
        due = moments.received + limits.keepalive_seconds
        if now < due:
            return due
        self._connection.write(_PING)
        moments.pinged = now
        return now + limits.keepalive_timeout_seconds

    def _stay(self, now: float) -> float:
        """Let a connection go that is idle or old; return when to check again."""
        moments, limits, is_busy = self._moments, self._limits, self._connection.has_calls()
        idle = (now if is_busy else moments.last_call) + limits.connection_idle_seconds
        old = moments.accepted + (limits.max_connection_age_seconds or math.inf)
        if now >= min(idle, old):
            self._connection.go_away()
            return now + _GOING_SECONDS
        return min(idle, old)

    def _departure(self, now: float) -> float:
        """End a connection that has no more calls and stays; return when to check again."""
        moments = self._moments
        if not self._connection.has_calls() and now >= max(moments.went or now, moments.last_call) + _GOING_SECONDS:
            self._connection.abort()
        return now + _GOING_SECONDS


def _too_many_pings() -> bytes:
    payload = struct.pack(">II", 2**31 - 1, int(H2Reason.ENHANCE_YOUR_CALM)) + b"too_many_pings"
    return _FRAME.pack(len(payload))[1:] + b"\x07\0\0\0\0\0" + payload
