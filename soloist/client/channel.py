"""The channel to a server: plain or TLS, and its options."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

import grpc


@dataclass(frozen=True, kw_only=True)
class TLS:
    """Certificates, PEM. Without root certificates the system's are trusted; chain and key are for mutual TLS."""

    root_certificates: bytes | None = None
    certificate_chain: bytes | None = None
    private_key: bytes | None = None


_TAKE_TURNS = '{"loadBalancingConfig": [{"round_robin": {}}]}'
OPTIONS: list[tuple[str, int]] = [
    # The server bounds requests; answers are what the caller has asked for.
    ("grpc.max_receive_message_length", -1),
    # grpcio waits a second before it connects again: longer than a whole round of retries.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 5000),
]


def options(target: str) -> list[tuple[str, int | str]]:
    """Return the options of a channel; one to this machine ignores proxies of the environment.

    Calls take turns between several addresses, so that what one refuses goes to the next.
    """
    found: list[tuple[str, int | str]] = [*OPTIONS]
    if is_local(target):
        found.append(("grpc.enable_http_proxy", 0))
    if "," in target:
        found.append(("grpc.service_config", _TAKE_TURNS))
    return found


def is_local(target: str) -> bool:
    """Return whether a target, as gRPC takes it, is on this machine: localhost, a loopback address, a socket."""
    scheme, _, rest = target.partition(":")
    if scheme in {"unix", "unix-abstract"}:
        return True
    if scheme in {"ipv4", "ipv6"} and "," in rest:
        return all(is_local(f"{scheme}:{each}") for each in rest.split(","))
    if scheme in {"dns", "ipv4", "ipv6"} and not rest.isdecimal():
        target = rest.rpartition("/")[2]
    host = target.partition("]")[0][1:] if target.startswith("[") else target.rpartition(":")[0] or target
    host = host.lower().rstrip(".")
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    inner = getattr(address, "ipv4_mapped", None) or address
    return bool(inner.is_loopback or inner.is_unspecified)


def credentials(tls: TLS) -> grpc.ChannelCredentials:
    """Return certificates in the form that grpcio takes."""
    return grpc.ssl_channel_credentials(tls.root_certificates, tls.private_key, tls.certificate_chain)


def open_channel(target: str, tls: TLS | None) -> grpc.Channel:
    """Return a channel; it connects at the first call."""
    if tls is None:
        return grpc.insecure_channel(target, options(target))
    return grpc.secure_channel(target, credentials(tls), options(target))


def open_async_channel(target: str, tls: TLS | None) -> grpc.aio.Channel:
    """Return a channel of the running event loop; it connects at the first call."""
    if tls is None:
        return grpc.aio.insecure_channel(target, options(target))
    return grpc.aio.secure_channel(target, credentials(tls), options(target))
