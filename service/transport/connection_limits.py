"""The bounds of one connection, on any transport."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from service.core.client_shares import ClientShares


@dataclass(frozen=True, kw_only=True)
class ConnectionLimits:
    """The bounds of a connection, and how long it may be idle."""

    max_message_bytes: int
    min_ping_interval_seconds: float = 0.1
    keepalive_seconds: float = 60.0
    keepalive_timeout_seconds: float = 20.0
    connection_idle_seconds: float = 3600.0
    handshake_timeout_seconds: float = 20.0
    max_connections: int = 10_000
    # Those of each address; grpc.aio shows connections to nobody, and counts none.
    shares: ClientShares | None = None
    max_calls_per_connection: int = 1_000
    # 0 for no limit.
    max_connection_age_seconds: float = 0.0
    # How long a caller may take nothing of what is sent to it.
    write_stall_seconds: float = 300.0
