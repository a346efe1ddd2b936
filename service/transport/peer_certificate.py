"""Who the certificate of a connection says that its caller is, in the form in which grpc.aio tells it."""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio

AuthContext = Mapping[str, Iterable[bytes]]
# Names of the kinds in Python's ssl. gRPC tells these, and no others.
_ALTERNATIVES = ("DNS", "URI", "email", "IP Address")


class PeerCertificate:
    """That of one connection with TLS: looked at when a call first asks, and kept."""

    __slots__ = ("_connection", "_found")

    def __init__(self, connection: ssl.SSLObject) -> None:
        self._connection = connection
        self._found: AuthContext | None = None

    def auth_context(self) -> AuthContext:
        """Return what was verified in the handshake; empty for a caller without a certificate."""
        if self._found is None:
            self._found = _auth_context(self._connection)
        return self._found


def peer_certificate(transport: asyncio.BaseTransport) -> PeerCertificate | None:
    """Return the certificate of a connection's peer; None for a connection without TLS."""
    connection: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
    return None if connection is None else PeerCertificate(connection)


def _auth_context(connection: ssl.SSLObject) -> AuthContext:
    encoded = connection.getpeercert(binary_form=True)
    names: Mapping[str, Any] | None = connection.getpeercert()
    if not encoded or not names:  # none was shown, or asked for
        return {}
    found: dict[str, list[bytes]] = {
        "transport_security_type": [b"ssl"],
        "x509_pem_cert": [ssl.DER_cert_to_PEM_cert(encoded).encode()],
        "x509_common_name": [b""],  # as gRPC, if there is none
    }
    common = [value for part in names.get("subject", ()) for kind, value in part if kind == "commonName"]
    alternatives = [_text(*pair) for pair in names.get("subjectAltName", ()) if pair[0] in _ALTERNATIVES]
    if common:
        found["x509_common_name"] = [common[0].encode()]
    if alternatives:
        found["x509_subject_alternative_name"] = [each.encode() for each in alternatives]
    return found


def _text(kind: str, value: str) -> str:
    """Return a name as gRPC writes it; OpenSSL writes IPv6 addresses without shortening them."""
    return str(ipaddress.ip_address(value.strip())) if kind == "IP Address" else value
