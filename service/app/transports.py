"""The choice of a transport: its event loop, and how it serves. Only the chosen one is imported."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from service.app.settings import Settings, SettingsError
from service.transport.grpc_server import serving_grpc
from service.transport.tls import Tls

if TYPE_CHECKING:
    from service.api.methods import Method
    from service.core.health import Health
    from service.transport.connection_limits import ConnectionLimits
    from service.transport.grpc_adapter import GrpcAdapter

HTTPUNK, _UVLOOP = "httpunk", "uvloop"


@dataclass(frozen=True)
class Listening:
    """A server that listens: its port, and what tells its callers that it drains."""

    port: int
    go_away: Callable[[], None] = lambda: None


def runner(settings: Settings) -> Callable[[Coroutine[Any, Any, Any]], Any]:
    """Return what runs a server: uvloop where it is installed, which both transports gain by, or asyncio.

    Raises:
        SettingsError: the transport or OpenTelemetry isn't installed, or the settings of TLS don't fit together.

    """
    _tls(settings)
    missing = [name for name in (HTTPUNK, _UVLOOP) if find_spec(name) is None]
    if settings.transport == HTTPUNK and missing:
        raise SettingsError(f"transport: {missing[0]} is not installed: pip install 'soloist[fast]'")
    if settings.tracing and (find_spec("opentelemetry") is None or find_spec("opentelemetry.sdk") is None):
        raise SettingsError("tracing: opentelemetry-sdk is not installed: pip install 'soloist[otel]'")
    if _UVLOOP in missing:
        return asyncio.run
    import uvloop

    return uvloop.run


def _tls(settings: Settings) -> Tls | None:
    certificate, key = settings.tls_certificate, settings.tls_key
    if certificate is not None and key is not None:
        return Tls(certificate=certificate, key=key, client_ca=settings.tls_client_ca)
    if (certificate, key, settings.tls_client_ca) != (None, None, None):
        raise SettingsError("tls_certificate and tls_key have to be set both, and tls_client_ca only with them")
    return None


@asynccontextmanager
async def serving_calls(
    settings: Settings,
    adapter: GrpcAdapter,
    services: Mapping[str, Iterable[Method]],
    health: Health,
    limits: ConnectionLimits,
) -> AsyncIterator[Listening]:
    """Serve the methods of services, by their full names, on the transport of the settings until the block ends.

    Raises:
        OSError: the address can't be bound, or a certificate can't be used.

    """
    hosts, port, shared = settings.host, settings.grpc_port, settings.processes > 1
    if settings.transport == HTTPUNK:
        from service.transport.httpunk.listener import serving_httpunk

        answers = {
            path: answer
            for name, methods in services.items()
            for path, answer in adapter.answers(name, methods).items()
        }
        async with serving_httpunk(hosts, port, answers, health, limits, _tls(settings), shared=shared) as listener:
            yield Listening(listener.port, listener.go_away)
    else:
        handlers = [adapter.service(name, methods) for name, methods in services.items()]
        async with serving_grpc(hosts, port, handlers, health, limits, _tls(settings), shared=shared) as grpc_port:
            yield Listening(grpc_port)
