"""What a caller sees of a server with TLS on both ports: pages, certificates, whether calls are answered."""

from __future__ import annotations

import http.client
import re
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import grpc

from bench.server.metrics_page import MetricsPage
from bench.tls.certificates import client_context
from soloist import TLS
from soloist.client.channel import credentials

_SECONDS = 10


class Addressed(Protocol):
    """A server, and where it listens (host:port)."""

    @property
    def grpc(self) -> str:
        """The gRPC port."""

    @property
    def http(self) -> str:
        """The HTTP port."""


_Server = TypeVar("_Server", bound=Addressed)


def localhost(address: str) -> str:
    """Return an address of this machine by the name that certificates have."""
    return re.sub(r"^127\.0\.0\.1:", "localhost:", address)


@dataclass(frozen=True)
class TlsCaller(Generic[_Server]):
    """One who knows a server with TLS on both ports, and what it shows; `folder` is for files."""

    server: _Server
    tls: TLS
    folder: Path

    @property
    def target(self) -> str:
        """Where the gRPC port is."""
        return localhost(self.server.grpc)

    def channel(self) -> grpc.Channel:
        """Return a channel with a connection of its own."""
        return grpc.secure_channel(self.target, credentials(self.tls), [("grpc.use_local_subchannel_pool", 1)])

    def connection(self) -> http.client.HTTPSConnection:
        """Return a connection to the HTTP port, which begins with its first request."""
        context = client_context(self.tls, self.folder)
        return http.client.HTTPSConnection(localhost(self.server.http), timeout=_SECONDS, context=context)

    def get(self, path: str) -> tuple[int, str]:
        """Return status and text of a page, on a connection of its own."""
        connection = self.connection()
        try:
            return page(connection, path)
        finally:
            connection.close()

    def total(self, name: str, **labels: str) -> float:
        """Return the sum of a metric's samples that bear these labels."""
        return MetricsPage(self.get("/metrics")[1]).total(name, **labels)

    def served(self, address: str) -> bytes:
        """Return the certificate (DER) that the server shows at host:port, whoever signed it."""
        context = client_context(self.tls, self.folder)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        host, _, port = address.rpartition(":")
        with (
            socket.create_connection((host, int(port)), timeout=_SECONDS) as sock,
            context.wrap_socket(sock, server_hostname="localhost") as connection,
        ):
            return connection.getpeercert(binary_form=True) or b""


def page(connection: http.client.HTTPSConnection, path: str) -> tuple[int, str]:
    """Return status and text of a page, on a connection that stays open."""
    connection.request("GET", path)
    response = connection.getresponse()
    return response.status, response.read().decode()
