"""The choice of a transport: its event loop, and how it serves. Only the chosen one is imported."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from service.access.need import Feature
from service.app.access import EVERYTHING
from service.app.certificates import check_tls
from service.app.settings import Settings, SettingsError
from service.core.addresses import at
from service.transport.grpc_server import serving_grpc
from service.transport.reflection import REFLECTION

if TYPE_CHECKING:
    from service.api.methods import Method
    from service.app.access import Access
    from service.core.health import Health
    from service.transport.certificates import Certificates
    from service.transport.connection_limits import ConnectionLimits
    from service.transport.grpc_adapter import GrpcAdapter
    from service.transport.guards import Guards

HTTPUNK, _UVLOOP = "httpunk", "uvloop"


@dataclass(frozen=True)
class Listening:
    """A server that listens: its port, what tells its callers that it drains, and the operators' address, if any."""

    port: int
    go_away: Callable[[], None] = lambda: None
    admin: str = ""


def runner(settings: Settings) -> Callable[[Coroutine[Any, Any, Any]], Any]:
    """Return what runs a server: uvloop where it is installed, which both transports gain by, or asyncio.

    Raises:
        SettingsError: the transport or OpenTelemetry isn't installed, or the settings of TLS don't fit together.

    """
    check_tls(settings)
    missing = [name for name in (HTTPUNK, _UVLOOP) if find_spec(name) is None]
    if settings.transport == HTTPUNK and missing:
        raise SettingsError(f"transport: {missing[0]} is not installed: pip install 'soloist[fast]'")
    if settings.tracing and (find_spec("opentelemetry") is None or find_spec("opentelemetry.sdk") is None):
        raise SettingsError("tracing: opentelemetry-sdk is not installed: pip install 'soloist[otel]'")
    if _UVLOOP in missing:
        return asyncio.run
    import uvloop

    return uvloop.run


@asynccontextmanager
async def serving_calls(
    settings: Settings,
    adapter: GrpcAdapter,
    services: Mapping[str, Iterable[Method]],
    health: Health,
    limits: ConnectionLimits,
    certificates: Certificates | None = None,
    access: Access = EVERYTHING,
) -> AsyncIterator[Listening]:
    """Serve the methods of services, by their full names, on the transport of the settings until the block ends.

    Raises:
        OSError: the address can't be bound.

    """

    def serving(hosts: Sequence[str], port: int, guards: Guards) -> AbstractAsyncContextManager[Listening]:
        shown = _shown(services, guards)
        return _serving_at(hosts, port, settings, adapter, shown, health, limits, certificates, guards)

    async with AsyncExitStack() as stack:
        usual = await stack.enter_async_context(serving(settings.host, settings.grpc_port, access.guards))
        if access.admin is None:
            yield usual
            return
        host, port = access.admin
        admin = await stack.enter_async_context(serving((host,), port, access.admin_guards))

        def go_away() -> None:
            usual.go_away()
            admin.go_away()

        yield Listening(usual.port, go_away, at(host, admin.port))


def _shown(services: Mapping[str, Iterable[Method]], guards: Guards) -> Mapping[str, Iterable[Method]]:
    """Return the services of an address: without reflection gRPC answers as a server that has never had it."""
    return services if guards.has(Feature.REFLECTION) else {k: v for k, v in services.items() if k not in REFLECTION}


@asynccontextmanager
async def _serving_at(
    hosts: Sequence[str],
    port: int,
    settings: Settings,
    adapter: GrpcAdapter,
    services: Mapping[str, Iterable[Method]],
    health: Health,
    limits: ConnectionLimits,
    certificates: Certificates | None,
    guards: Guards,
) -> AsyncIterator[Listening]:
    shared = settings.processes > 1
    if settings.transport == HTTPUNK:
        from service.transport.httpunk.listener import serving_httpunk

        answers = {
            path: answer
            for name, methods in services.items()
            for path, answer in adapter.answers(name, methods, guards).items()
        }
        async with serving_httpunk(hosts, port, answers, health, limits, certificates, shared=shared) as listener:
            yield Listening(listener.port, listener.go_away)
    else:
        handlers = [adapter.service(name, methods, guards) for name, methods in services.items()]
        async with serving_grpc(hosts, port, handlers, health, limits, certificates, shared=shared) as grpc_port:
            yield Listening(grpc_port)
