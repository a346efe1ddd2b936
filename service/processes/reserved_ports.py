"""A port that several processes listen on: reserved by the supervisor, for as long as it lives."""

from __future__ import annotations

import errno
import os
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from service.core.addresses import bind, cannot_listen, free_port, listening_socket, resolve

_BACKLOG = 1


@contextmanager
def reserved_port(hosts: Sequence[str], port: int) -> Iterator[int]:
    """Keep a port on all hosts, which the system chooses for 0: sockets that share it and don't listen.

    Only listening sockets get connections, so the system spreads them over the processes. A process that dies and comes
    back finds its port free.

    Raises:
        OSError: an address can't be bound, or another server has it.

    """
    port = free_port(hosts, port)
    with ExitStack() as stack:
        for host in hosts:
            try:
                if port:
                    stack.enter_context(_claimed(host, port))
                    _refuse_listening(host, port)
                family, address = resolve(host, port)
                sock = stack.enter_context(socket.socket(family, socket.SOCK_STREAM))
                bind(sock, address, shared=True)
                if not port:
                    port = int(sock.getsockname()[1])
                    stack.enter_context(_claimed(host, port))
            except OSError as error:
                raise cannot_listen(host, port, error) from error
        yield port


@contextmanager
def _claimed(host: str, port: int) -> Iterator[None]:
    """Refuse a second supervisor of this user: until the processes of the first listen, nothing else tells of it."""
    with socket.socket(socket.AF_UNIX) as claim:
        if sys.platform == "linux":
            try:
                claim.bind(f"\0soloist {os.getuid()} {host} {port}")
            except OSError as error:
                raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE)) from error
        yield


def _refuse_listening(host: str, port: int) -> None:
    """Refuse a port that someone listens on: if they share it, too, both would get some of the calls."""
    with listening_socket(host, port) as sock:
        sock.listen(_BACKLOG)
