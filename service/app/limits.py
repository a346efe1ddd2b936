"""What callers may take of the server, from its settings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from service.app.process_resources import max_connections
from service.core.client_shares import ClientShares, Share, part_of
from service.transport.admission import Admission, CallLimits
from service.transport.connection_limits import ConnectionLimits
from service.transport.http.connections import HttpLimits

if TYPE_CHECKING:
    from service.app.assembly import Parts
    from service.app.settings import Settings


def call_limits(settings: Settings) -> CallLimits:
    """Return what callers may take of the server."""
    return CallLimits(
        max_message_bytes=settings.max_message_bytes,
        idle_seconds=settings.session_idle_seconds,
        max_calls=settings.max_concurrent_calls,
        max_calls_per_client=settings.max_calls_per_client,
        max_bytes=settings.max_inflight_bytes,
        max_connection_bytes=settings.max_inflight_bytes_per_connection,
        max_client_bytes=settings.max_inflight_bytes_per_client,
    )


def connection_limits(settings: Settings) -> ConnectionLimits:
    """Return what a connection may do, and how long it may do nothing."""
    return ConnectionLimits(
        max_message_bytes=settings.max_message_bytes,
        min_ping_interval_seconds=settings.min_ping_interval_seconds,
        keepalive_seconds=settings.keepalive_seconds,
        keepalive_timeout_seconds=settings.keepalive_timeout_seconds,
        connection_idle_seconds=settings.connection_idle_seconds,
        handshake_timeout_seconds=settings.handshake_timeout_seconds,
        max_connections=settings.max_connections,
        max_calls_per_connection=settings.max_calls_per_connection,
        max_connection_age_seconds=settings.max_connection_age_seconds,
        write_stall_seconds=settings.session_idle_seconds,
    )


def http_limits(settings: Settings, open_files: int) -> HttpLimits:
    """Return what connections to the HTTP port may do, and how many there may be: of open files at most a quarter."""
    most = max(1, min(settings.max_http_connections, max_connections(open_files) // 4))
    return HttpLimits(
        max_connections=most,
        shares=ClientShares(Share.CONNECTIONS, part_of(most, settings.max_http_connections_per_client)),
        head_seconds=settings.handshake_timeout_seconds,
        idle_seconds=settings.connection_idle_seconds,
    )


def grpc_limits(settings: Settings, open_files: int, listeners: int) -> ConnectionLimits:
    """Return the bounds of connections to one of `listeners` addresses of gRPC; HTTP has its part of open files."""
    limits = connection_limits(settings)
    most = max_connections(open_files) - http_limits(settings, open_files).max_connections
    most = max(1, min(limits.max_connections, most // listeners))
    connections = ClientShares(Share.CONNECTIONS, part_of(most, settings.max_connections_per_client))
    return replace(limits, max_connections=most, shares=connections)


def client_shares(
    parts: Parts, admission: Admission, http: HttpLimits, grpc: ConnectionLimits
) -> Iterator[ClientShares]:
    """Return the counts of all that clients have shares of."""
    yield from (*admission.shares, *parts.serving.sessions.shares)
    yield from (each.shares for each in (http, grpc) if each.shares is not None)
    if parts.feedback is not None:
        yield from parts.feedback.reports.shares
