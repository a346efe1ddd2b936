"""The grpc.aio server: its options, services and addresses; it is started and stopped as one block."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import grpc

from service.core.addresses import at, cannot_listen, free_port, is_unix, refuse_taken
from service.core.health import Health
from service.transport.active_calls import remembered
from service.transport.certificates import Certificates
from service.transport.connection_limits import ConnectionLimits
from service.transport.grpc_credentials import server_credentials

_STOP_SECONDS = 1.0
# gRPC refuses messages over its own limit without our reason, so our limit must be lower.
_MESSAGE_HEADROOM = 2
# The limit of a caller's headers. gRPC's default is 16 KiB, and between 8 and 16 it refuses at random.
_MAX_METADATA_BYTES = 2**14
_COMPRESSION_OFF = 1  # a bit set; the first bit stands for no compression


def _options(limits: ConnectionLimits, *, shared: bool) -> list[tuple[str, int]]:
    age = limits.max_connection_age_seconds
    return [
        *([("grpc.max_connection_age_ms", _milliseconds(age))] if age else []),
        ("grpc.max_receive_message_length", _MESSAGE_HEADROOM * limits.max_message_bytes),
        ("grpc.max_send_message_length", -1),
        # gRPC decompresses before it checks sizes: a message of 1 MiB may become 1 GiB.
        ("grpc.compression_enabled_algorithms_bitset", _COMPRESSION_OFF),
        # Otherwise a stream that isn't read buffers megabytes of what its caller sends.
        ("grpc.http2.bdp_probe", 0),
        ("grpc.max_metadata_size", _MAX_METADATA_BYTES),
        ("grpc.absolute_max_metadata_size", _MAX_METADATA_BYTES),
        # Otherwise a second server on the port would start, and take some of the calls.
        ("grpc.so_reuseport", int(shared)),
        ("grpc.max_allowed_incoming_connections", limits.max_connections),
        # Calls that are cancelled at once count until they are cleaned up; without a bound they pile up.
        ("grpc.max_concurrent_streams", limits.max_calls_per_connection),
        ("grpc.server_handshake_timeout_ms", _milliseconds(limits.handshake_timeout_seconds)),
        ("grpc.max_connection_idle_ms", _milliseconds(limits.connection_idle_seconds)),
        # A caller whose machine has vanished closes nothing; pings find it.
        ("grpc.keepalive_time_ms", _milliseconds(limits.keepalive_seconds)),
        ("grpc.keepalive_timeout_ms", _milliseconds(limits.keepalive_timeout_seconds)),
        ("grpc.http2.ping_timeout_ms", _milliseconds(limits.keepalive_timeout_seconds)),
        # Callers ping for the same reason. gRPC's default, five minutes and two hours without a call, would disconnect
        # callers whose libraries ping more often, with their streams. The first option is for both sides.
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_ping_interval_without_data_ms", _milliseconds(limits.min_ping_interval_seconds)),
    ]


def _milliseconds(seconds: float) -> int:
    return round(1000 * seconds)


@asynccontextmanager
async def serving_grpc(
    hosts: Sequence[str],
    port: int,
    services: Sequence[grpc.GenericRpcHandler],
    health: Health,
    limits: ConnectionLimits,
    certificates: Certificates | None = None,
    *,
    shared: bool = False,
) -> AsyncIterator[int]:
    """Serve until the block ends, then end all watches of `health`; yields the port, which the system chooses for 0.

    It is the same on all `hosts` (service.core.addresses), and 0 if all are Unix domain sockets. With `shared`, other
    processes listen on it as well.

    Raises:
        OSError: the address can't be bound.

    """
    server = grpc.aio.server(options=_options(limits, shared=shared))
    server.add_generic_rpc_handlers(tuple(services))
    port = free_port(hosts, port)
    for host in hosts:
        bound_port = _bind(server, host, port, certificates)
        port = port if is_unix(host) else bound_port
    with remembered():
        await server.start()
        try:
            yield 0 if all(map(is_unix, hosts)) else port
        finally:
            health.close()
            await server.stop(_STOP_SECONDS)


def _bind(server: grpc.aio.Server, host: str, port: int, certificates: Certificates | None) -> int:
    if is_unix(host):
        refuse_taken(host)
    try:
        if certificates is not None:
            return server.add_secure_port(at(host, port), server_credentials(certificates))
        return server.add_insecure_port(at(host, port))
    except RuntimeError as error:
        raise cannot_listen(host, port, error) from error
