"""A socket of an event loop whose connections begin with TLS: handshakes are bounded in time and in number."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from service.transport.certificates import Certificates

# How long the other side may take to say that it has heard of the end.
_SHUTDOWN_SECONDS = 2.0
# When there is no descriptor for another connection; asyncio waits as long.
_PAUSE_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True)
class HandshakeLimits:
    """How long a handshake may take, and how many there may be at once; then the oldest makes room."""

    seconds: float
    most: int


def handshake_limits(seconds: float, max_connections: int) -> HandshakeLimits:
    """Return the limits of a port that takes `max_connections`; handshakes are in addition to them."""
    return HandshakeLimits(seconds=seconds, most=max(1, max_connections // 4))


class TlsListener:
    """Accepts from a bound socket, which it closes in the end. Each connection begins with the current certificates.

    asyncio's own servers keep the certificates that they began with, and bound no handshakes.
    """

    def __init__(
        self,
        sock: socket.socket,
        connect: Callable[[], asyncio.Protocol],
        certificates: Certificates,
        limits: HandshakeLimits,
        *,
        backlog: int,
    ) -> None:
        """Listen.

        Raises:
            OSError: another server listens there.

        """
        self._sock, self._connect, self._certificates, self._limits = sock, connect, certificates, limits
        self._handshakes: dict[asyncio.Task[None], None] = {}  # in order of time
        sock.setblocking(False)
        try:
            sock.listen(backlog)
        except OSError:
            sock.close()
            raise
        self._accepting = asyncio.create_task(self._accept())

    def close(self) -> None:
        """Accept no more, and end the handshakes in progress. Connections go on."""
        self._accepting.cancel()
        for handshake in list(self._handshakes):
            handshake.cancel()
        self._sock.close()

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, _ = await loop.sock_accept(self._sock)
            except ConnectionError:  # its caller has gone already
                continue
            except OSError:
                await asyncio.sleep(_PAUSE_SECONDS)
                continue
            if len(self._handshakes) >= self._limits.most:
                oldest = next(iter(self._handshakes))
                self._handshakes.pop(oldest)
                oldest.cancel()
            handshake = loop.create_task(self._shake_hands(connection))
            self._handshakes[handshake] = None
            handshake.add_done_callback(lambda done: self._handshakes.pop(done, None))

    async def _shake_hands(self, connection: socket.socket) -> None:
        # A caller that doesn't speak TLS, isn't trusted, is too slow or has gone is no failure of ours.
        with suppress(OSError):
            await asyncio.get_running_loop().connect_accepted_socket(
                self._connect,
                connection,
                ssl=self._certificates.current.context,
                ssl_handshake_timeout=self._limits.seconds,
                ssl_shutdown_timeout=_SHUTDOWN_SECONDS,
            )
