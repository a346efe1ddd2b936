"""The server over httpunk: it listens, tells its connections to go, and ends as one block."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from service.core.addresses import UNIX, bind, cannot_listen, free_port, is_unix, refuse_taken, remove_socket, resolve
from service.transport.httpunk.connection import Connection, Shared
from service.transport.tls_listener import TlsListener, handshake_limits

if TYPE_CHECKING:
    from service.core.health import Health
    from service.transport.certificates import Certificates
    from service.transport.connection_limits import ConnectionLimits
    from service.transport.grpc_adapter import Answer

_STOP_SECONDS = 1.0
_BACKLOG = 2048


@dataclass(kw_only=True)
class Listener:
    """A server that listens: its port, and the way to drain it."""

    port: int = 0
    _shared: Shared
    _servers: list[asyncio.AbstractServer | TlsListener] = field(default_factory=list)

    def go_away(self) -> None:
        """Tell every peer to send no more calls over its connection (GOAWAY, in two phases); those sent are answered.

        New connections are still taken: health is told to whoever asks, and calls are refused with a reason.
        """
        for connection in list(self._shared.connections):
            connection.go_away()


@asynccontextmanager
async def serving_httpunk(
    hosts: Sequence[str],
    port: int,
    answers: Mapping[str, Answer],
    health: Health,
    limits: ConnectionLimits,
    certificates: Certificates | None = None,
    *,
    shared: bool = False,
) -> AsyncIterator[Listener]:
    """Serve until the block ends, then end all watches of `health`; yields the listener with its port.

    It is the same on all `hosts` (service.core.addresses), and 0 if all are Unix domain sockets. With `shared`, other
    processes listen on it as well.

    Raises:
        OSError: the address can't be bound.

    """
    common = Shared(answers=answers, limits=limits)
    listener = Listener(_shared=common)
    port = free_port(hosts, port)
    try:
        for host in hosts:
            server, bound = await _listen(host, port, common, certificates, shared=shared)
            listener._servers.append(server)
            if not is_unix(host):
                listener.port = port = bound
        yield listener
    finally:
        health.close()
        for server in listener._servers:
            server.close()
        await _end(listener)


async def _listen(
    host: str, port: int, common: Shared, certificates: Certificates | None, *, shared: bool
) -> tuple[asyncio.AbstractServer | TlsListener, int]:
    loop, connect = asyncio.get_running_loop(), partial(Connection, common)
    try:
        if is_unix(host):
            refuse_taken(host)
            if certificates is None:
                return await loop.create_unix_server(connect, host.removeprefix(UNIX), backlog=_BACKLOG), 0
            remove_socket(host)  # that of a server that has gone
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            address: Any = host.removeprefix(UNIX)
        else:
            family, address = resolve(host, port)
            sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            bind(sock, address, shared=shared)
            bound = 0 if is_unix(host) else sock.getsockname()[1]
            if certificates is not None:
                return _with_tls(sock, common, certificates), bound
            return await loop.create_server(connect, sock=sock, backlog=_BACKLOG), bound
        except BaseException:
            sock.close()
            raise
    except OSError as error:
        raise error if str(error).startswith("cannot listen") else cannot_listen(host, port, error) from error


def _with_tls(sock: socket.socket, common: Shared, certificates: Certificates) -> TlsListener:
    limits = handshake_limits(common.limits.handshake_timeout_seconds, common.limits.max_connections)
    return TlsListener(sock, partial(Connection, common), certificates, limits, backlog=_BACKLOG)


async def _end(listener: Listener) -> None:
    """Let calls in progress end for a moment, and then end all connections."""
    listener.go_away()
    left = list(listener._shared.connections)
    if left:
        await asyncio.wait([asyncio.ensure_future(each.wait_closed()) for each in left], timeout=_STOP_SECONDS)
    for connection in list(listener._shared.connections):
        connection.abort()
