"""The grpc.aio server: its options, its services, its address; started and stopped as one block."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from service.addresses import at, cannot_listen, free_port, is_unix, refuse_taken
from service.health import ADMIN, API, FEEDBACK, NORM_SKEW, OPEN_INFERENCE, Health
from service.transport.health_servicer import HealthServicer

_STOP_SECONDS = 1.0
# gRPC itself refuses what is larger than its limit, without a reason of ours, so ours must be reached first.
_MESSAGE_HEADROOM = 2
_PUBLISHED = (
    API,
    OPEN_INFERENCE,
    FEEDBACK,
    ADMIN,
    NORM_SKEW,
    health_pb2.DESCRIPTOR.services_by_name["Health"].full_name,
    reflection.SERVICE_NAME,
)


def _options(max_message_bytes: int, min_ping_interval_seconds: float, max_connections: int) -> list[tuple[str, int]]:
    return [
        ("grpc.max_receive_message_length", _MESSAGE_HEADROOM * max_message_bytes),
        ("grpc.max_send_message_length", -1),
        # Without this a second server on the port would start, and take some of the calls.
        ("grpc.so_reuseport", 0),
        # What it measures makes buffers grow: 9.6 MiB for a stream that isn't read, instead of 1.5.
        ("grpc.http2.bdp_probe", 0),
        # Of each address. One more is closed at once.
        ("grpc.max_allowed_incoming_connections", max_connections),
        # A caller whose machine has vanished says nothing; pings find out.
        ("grpc.keepalive_time_ms", 60_000),
        ("grpc.keepalive_timeout_ms", 20_000),
        # Callers ping for the same reason. gRPC's own bound, five minutes and two hours without a call, would send away
        # those whose libraries ping more often than that, and their streams with them. The first is for both sides.
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_ping_interval_without_data_ms", round(1000 * min_ping_interval_seconds)),
    ]


@asynccontextmanager
async def serving_grpc(
    hosts: Sequence[str],
    port: int,
    services: Sequence[grpc.GenericRpcHandler],
    health: Health,
    *,
    max_message_bytes: int,
    min_ping_interval_seconds: float,
    max_connections: int = 2**31 - 1,
) -> AsyncIterator[int]:
    """Serve the APIs, health and reflection until the block ends; yields the port, chosen by the system for port 0.

    It is the same on all `hosts` (service.addresses); 0 where they are Unix domain sockets alone.

    At most `max_connections` are open on each address.
    Who pings more often than every `min_ping_interval_seconds`, while nothing is sent to it, is sent away.

    Raises:
        OSError: the address can't be bound.

    """
    server = grpc.aio.server(options=_options(max_message_bytes, min_ping_interval_seconds, max_connections))
    server.add_generic_rpc_handlers(tuple(services))
    health_pb2_grpc.add_HealthServicer_to_server(HealthServicer(health), server)
    reflection.enable_server_reflection(_PUBLISHED, server)
    port = free_port(hosts, port)
    for host in hosts:
        bound_port = _bind(server, host, port)
        port = port if is_unix(host) else bound_port
    await server.start()
    try:
        yield 0 if all(map(is_unix, hosts)) else port
    finally:
        health.close()
        await server.stop(_STOP_SECONDS)


def _bind(server: grpc.aio.Server, host: str, port: int) -> int:
    if is_unix(host):
        refuse_taken(host)
    try:
        return server.add_insecure_port(at(host, port))
    except RuntimeError as error:
        raise cannot_listen(host, port, error) from error
