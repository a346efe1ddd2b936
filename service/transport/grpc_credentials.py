"""The certificates of a port as gRPC takes them: it asks for them again before every connection."""

from __future__ import annotations

import grpc

from service.transport.certificates import Certificates
from service.transport.tls import Credentials


def server_credentials(certificates: Certificates) -> grpc.ServerCredentials:
    """Return the credentials of one address; each address needs its own, since gRPC is told of a change once."""
    given = certificates.current

    def renewed() -> grpc.ServerCertificateConfiguration | None:
        # Called on a thread of gRPC, under a lock.
        nonlocal given
        current = certificates.current
        if current is given:
            return None
        given = current
        return _configuration(current)

    return grpc.dynamic_ssl_server_credentials(
        _configuration(given),
        renewed,  # type: ignore[arg-type]  # None is allowed: no change
        require_client_authentication=certificates.tls.client_ca is not None,
    )


def _configuration(credentials: Credentials) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration(
        [(credentials.key, credentials.certificate)], root_certificates=credentials.client_ca
    )
