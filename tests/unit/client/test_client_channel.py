from __future__ import annotations

import pytest

from soloist.client.channel import is_local


@pytest.mark.parametrize(
    "target",
    [
        *("localhost:8001", "localhost", "LOCALHOST:1", "localhost.:1", "a.localhost:1", "dns:///localhost:1"),
        *("127.0.0.1:8001", "127.9.8.7:1", "ipv4:127.0.0.1:1", "0.0.0.0:1"),
        *("[::1]:8001", "[::1]", "ipv6:[::1]:1", "[::ffff:127.0.0.1]:1", "[::]:1", "dns:localhost:1"),
        *("unix:/tmp/a.sock", "unix:///tmp/a.sock", "unix-abstract:a"),
    ],
)
def test_what_is_on_this_machine(target: str) -> None:
    assert is_local(target)


@pytest.mark.parametrize(
    "target",
    [
        *("server:8001", "localhost.example.org:1", "notlocalhost:1", "dns:///server:1", "dns:8001"),
        *("10.0.0.1:1", "128.0.0.1:1", "[2001:db8::1]:1", "ipv4:10.0.0.1:1", "127.0.0.1.example.org:1", ""),
    ],
)
def test_what_is_elsewhere(target: str) -> None:
    assert not is_local(target)
