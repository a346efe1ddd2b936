"""Ports that several processes share: kept free for them, and refused to other servers."""

from __future__ import annotations

import socket

import pytest

from service.core.addresses import listening_socket
from service.processes.reserved_ports import reserved_port


def test_processes_share_it_and_get_connections() -> None:
    with (
        reserved_port(["127.0.0.1"], 0) as port,
        listening_socket("127.0.0.1", port, shared=True) as one,
        listening_socket("127.0.0.1", port, shared=True) as other,
    ):
        one.listen()
        other.listen()
        with socket.create_connection(("127.0.0.1", port), timeout=10):
            pass


def test_it_is_one_port_on_all_hosts() -> None:
    with reserved_port(["127.0.0.1", "127.0.0.2"], 0) as port:
        for host in ("127.0.0.1", "127.0.0.2"):
            with pytest.raises(OSError, match="in use"), reserved_port([host], port):
                pass


def test_another_server_is_refused_even_before_any_process_listens() -> None:
    with reserved_port(["127.0.0.1"], 0) as port:
        pass
    with (
        reserved_port(["127.0.0.1"], port),
        pytest.raises(OSError, match=rf"^cannot listen on 127.0.0.1:{port}: Address already in use$"),
        reserved_port(["127.0.0.1"], port),
    ):
        pass


def test_a_port_that_is_listened_on_is_refused() -> None:
    with listening_socket("127.0.0.1", 0) as sock:
        sock.listen()
        port = sock.getsockname()[1]
        with pytest.raises(OSError, match="cannot listen"), reserved_port(["127.0.0.1"], port):
            pass
