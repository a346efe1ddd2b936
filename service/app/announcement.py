"""The line on standard output that says where the server listens."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import suppress

from service.app.service_manager import ServiceManager
from service.core.addresses import at, is_unix


async def announce(
    hosts: Sequence[str], grpc_port: int, http_port: int, manager: ServiceManager, admin: str = ""
) -> None:
    """Print the addresses, once models are loaded, and tell the service manager."""
    addresses = [f"grpc={at(host, grpc_port)}" for host in hosts]
    addresses += [f"http={at(host, http_port)}" for host in hosts if not is_unix(host)]
    addresses += [f"admin={admin}"] if admin else []
    with suppress(OSError):  # nobody reads
        sys.stdout.write(f"soloist: serving {' '.join(addresses)}\n")
        sys.stdout.flush()
    manager.ready()
