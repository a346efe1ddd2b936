"""Which addresses are one client."""

from __future__ import annotations

import pytest

from service.core.client_address import client_at, client_of


@pytest.mark.parametrize(
    ("peer", "client"),
    [
        ("ipv4:10.0.0.7:51514", "ipv4:10.0.0.7"),
        ("ipv6:%5B2001:db8::1:2%5D:5", "ipv6:2001:db8::/64"),
        ("ipv6:[2001:db8::ffff:0:1]:6", "ipv6:2001:db8::/64"),
        ("ipv6:%5B::1%5D:5", "ipv6:::1"),
        ("ipv6:%5B::ffff:10.0.0.7%5D:5", "ipv4:10.0.0.7"),
        ("ipv6:%5Bfe80::1%25eth0%5D:5", "ipv6:fe80::/64"),
        ("unix:#7", "unix"),
        ("unix:", "unix"),
        ("", ""),
    ],
)
def test_a_connection_is_of_the_client_at_its_address(peer: str, client: str) -> None:
    assert client_of(peer) == client


@pytest.mark.parametrize("host", ["10.0.0.7", "::ffff:10.0.0.7", "2001:db8::9", "fe80::1%eth0"])
def test_http_and_grpc_take_a_host_for_the_same_client(host: str) -> None:
    peer = f"ipv6:%5B{host.replace('%', '%25')}%5D:5" if ":" in host else f"ipv4:{host}:5"
    assert client_at(host) == client_of(peer)
