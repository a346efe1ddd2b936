"""The channel to a server: plain or TLS, and its options."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import grpc

from soloist.client.tls import TLS
from soloist.client.token import Token, WithToken

# gRPC counts milliseconds in 32 bits.
_LONGEST_SECONDS = 2_147_483.0


@dataclass(frozen=True, kw_only=True)
class Keepalive:
    """Pings over a connection that has calls: a server that is stopped or cut off closes nothing by itself.

    A ping goes out when nothing has come for `interval_seconds`. Without an answer within `timeout_seconds` the
    connection is given up, and its calls end with UNAVAILABLE.
    """

    interval_seconds: float = 10.0
    timeout_seconds: float = 10.0

    def __post_init__(self) -> None:
        if not all(0 < each <= _LONGEST_SECONDS for each in (self.interval_seconds, self.timeout_seconds)):  # nor NaN
            raise ValueError(
                f"interval_seconds and timeout_seconds must be greater than 0, and {_LONGEST_SECONDS:.0f} at most; "
                "keepalive=None is without pings"
            )

    def options(self) -> list[tuple[str, int]]:
        """Return the options of a channel that pings so."""
        return [
            ("grpc.keepalive_time_ms", round(1000 * self.interval_seconds)),
            ("grpc.keepalive_timeout_ms", round(1000 * self.timeout_seconds)),
            # grpcio measures bandwidth by pings, too; one that is out takes the place of ours, and would have a minute.
            ("grpc.http2.ping_timeout_ms", round(1000 * self.timeout_seconds)),
            # A caller that waits for an answer sends nothing.
            ("grpc.http2.max_pings_without_data", 0),
        ]


DEFAULT_KEEPALIVE = Keepalive()
_TAKE_TURNS = '{"loadBalancingConfig": [{"round_robin": {}}]}'
OPTIONS: list[tuple[str, int]] = [
    # The server bounds requests; answers are what the caller has asked for.
    ("grpc.max_receive_message_length", -1),
    # grpcio waits a second before it connects again: longer than a whole round of retries.
    ("grpc.initial_reconnect_backoff_ms", 100),
    # A server that starts again is found within a second.
    ("grpc.max_reconnect_backoff_ms", 1000),
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


def refuse_open_token(target: str, tls: TLS | None, token: Token | None) -> None:
    """Refuse to send a token where others can read it. Raises ValueError."""
    if token is not None and tls is None and not token.over_plaintext and not is_local(target):
        raise ValueError(
            f"the token would go to {target} over a plain connection: use TLS, or allow it (Token.over_plaintext, "
            "--token-over-plaintext)"
        )


def open_channel(
    target: str, tls: TLS | None, token: Token | None = None, more: Sequence[tuple[str, int]] = ()
) -> grpc.Channel:
    """Return a channel with `more` options; it connects at the first call."""
    chosen = [*options(target), *more]
    if tls is None:
        channel = grpc.insecure_channel(target, chosen)
    else:
        channel = grpc.secure_channel(target, credentials(tls), chosen)
    return channel if token is None else cast(grpc.Channel, WithToken(channel, token))


def open_async_channel(
    target: str, tls: TLS | None, token: Token | None = None, more: Sequence[tuple[str, int]] = ()
) -> grpc.aio.Channel:
    """Return a channel of the running event loop, with `more` options; it connects at the first call."""
    chosen = [*options(target), *more]
    if tls is None:
        channel = grpc.aio.insecure_channel(target, chosen)
    else:
        channel = grpc.aio.secure_channel(target, credentials(tls), chosen)
    return channel if token is None else cast(grpc.aio.Channel, WithToken(channel, token))
