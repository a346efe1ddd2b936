"""Who calls by address, where nobody has to show more: all that one caller can take for itself is one client."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import ip_address, ip_network
from urllib.parse import unquote

_REMEMBERED = 4096
# Whoever has one address of IPv6 has all with this prefix.
_PREFIX = 64


@lru_cache(_REMEMBERED)
def client_of(peer: str) -> str:
    """Return the client of a connection, which is given as gRPC writes it ("ipv4:127.0.0.1:5"): without its port.

    An address of IPv6 stands for its network of 64 bits, and one that only carries an IPv4 address for that.
    """
    host = peer.rpartition(":")[0]
    if host.startswith("ipv6:"):
        return _network(host)
    return host or peer


def client_at(host: str) -> str:
    """Return the client of a host as sockets write it: "127.0.0.1", "fe80::1%eth0"."""
    return _network(f"ipv6:[{host}]") if ":" in host else f"ipv4:{host}"


@lru_cache(_REMEMBERED)
def _network(host: str) -> str:
    text = unquote(host.removeprefix("ipv6:")).strip("[]").partition("%")[0]
    try:
        address = ip_address(text)
    except ValueError:
        return host
    mapped = address.ipv4_mapped if address.version == 6 else None
    if mapped is not None:
        return f"ipv4:{mapped}"
    return "ipv6:" + str(ip_network((address, _PREFIX), strict=False) if not address.is_loopback else address)
