"""The HTTP server: uvicorn's protocol on our own sockets, on the event loop that serves all calls."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from email.utils import formatdate
from functools import partial
from typing import Any

from uvicorn import Config
from uvicorn.server import ServerState

from service.core.addresses import cannot_listen, free_port, is_unix, listening_socket
from service.core.failures import Failures, Worker
from service.transport.certificates import Certificates
from service.transport.http.connection import Connection
from service.transport.http.connections import Connections, HttpLimits
from service.transport.tls_listener import TlsListener, handshake_limits

_BACKLOG = 512
_DATE_SECONDS = 1.0

Application = Callable[[Any, Any, Any], Any]


@asynccontextmanager
async def serving_http(
    hosts: Sequence[str],
    port: int,
    app: Application,
    limits: HttpLimits,
    failures: Failures,
    certificates: Certificates | None = None,
    *,
    shared: bool = False,
) -> AsyncIterator[int]:
    """Serve an ASGI application until the block ends; yields the port, which the system chooses if `port` is 0.

    It is the same on all `hosts` (service.core.addresses). Unix domain sockets are left out; if there are no others, it
    is 0. With `shared`, other processes listen on it as well.

    Raises:
        OSError: an address can't be bound.

    """
    # uvicorn's own server would take over the signals, and log in its own way.
    config = Config(app, ws="none", lifespan="off", log_config=None, access_log=False)
    config.timeout_keep_alive = limits.idle_seconds  # type: ignore[assignment]  # any number will do
    config.load()
    connections, state = Connections(limits), ServerState()
    new = partial(Connection, connections, config, state)
    port = free_port(hosts, port)
    servers: list[asyncio.Server | TlsListener] = []
    dating: asyncio.Task[None] | None = None
    try:
        for host in hosts:
            if not is_unix(host):
                server, port = await _listen(new, host, port, limits, certificates, shared=shared)
                servers.append(server)
        dating = asyncio.create_task(failures.supervise(Worker.HTTP, _date(state)))
        await asyncio.sleep(0)  # it has begun, so that it can be cancelled
        yield port if servers else 0
    finally:
        if dating is not None:
            dating.cancel()
        for server in servers:
            server.close()
        connections.abort()


async def _listen(
    new: Callable[[], Connection],
    host: str,
    port: int,
    limits: HttpLimits,
    certificates: Certificates | None,
    *,
    shared: bool,
) -> tuple[asyncio.Server | TlsListener, int]:
    try:
        sock = listening_socket(host, port, shared=shared)
        bound = int(sock.getsockname()[1])
        if certificates is not None:
            handshakes = handshake_limits(limits.head_seconds, limits.max_connections)
            return TlsListener(sock, new, certificates, handshakes, backlog=_BACKLOG), bound
        return await asyncio.get_running_loop().create_server(new, sock=sock, backlog=_BACKLOG), bound
    except OSError as error:
        raise cannot_listen(host, port, error) from error


async def _date(state: ServerState) -> None:
    """Keep the date that every answer bears."""
    while True:
        state.default_headers = [(b"date", formatdate(usegmt=True).encode())]
        await asyncio.sleep(_DATE_SECONDS)
