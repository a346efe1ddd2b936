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
                    stack.enter_context(_alone(host, port))
                family, address = resolve(host, port)
                sock = stack.enter_context(socket.socket(family, socket.SOCK_STREAM))
                bind(sock, address, shared=True)
            except OSError as error:
                raise cannot_listen(host, port, error) from error
            port = int(sock.getsockname()[1])
        yield port


@contextmanager
def _alone(host: str, port: int) -> Iterator[None]:
    """Refuse a port that another server has: of the same user, it could share it, and take some of the calls."""
    with socket.socket(socket.AF_UNIX) as lock:
        if sys.platform == "linux":
            # Until its processes listen, nothing else tells of a server that starts.
            try:
                lock.bind(f"\0soloist {os.getuid()} {host} {port}")
            except OSError as error:
                raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE)) from error
        with listening_socket(host, port) as sock:
            sock.listen(_BACKLOG)
        yield
