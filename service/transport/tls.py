"""TLS of the gRPC port, on any transport: certificates as files, and callers that have to show one."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

import grpc


@dataclass(frozen=True, kw_only=True)
class Tls:
    """Files in PEM. With `client_ca` a caller has to show a certificate that one of it has signed."""

    certificate: Path
    key: Path
    client_ca: Path | None = None


def ssl_context(tls: Tls) -> ssl.SSLContext:
    """Return certificates as Python's event loops take them.

    Raises:
        OSError: a file can't be read, or isn't what it has to be.

    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["h2"])
    context.load_cert_chain(tls.certificate, tls.key)
    if tls.client_ca is not None:
        context.load_verify_locations(tls.client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def server_credentials(tls: Tls) -> grpc.ServerCredentials:
    """Return certificates as gRPC takes them, after checking them: gRPC would say nothing of what is wrong.

    Raises:
        OSError: a file can't be read, or isn't what it has to be.

    """
    ssl_context(tls)
    return grpc.ssl_server_credentials(
        [(tls.key.read_bytes(), tls.certificate.read_bytes())],
        root_certificates=None if tls.client_ca is None else tls.client_ca.read_bytes(),
        require_client_auth=tls.client_ca is not None,
    )
