"""The image's health check: `is_ready.py HOST:PORT` fails unless the HTTP port there says that the server is ready."""

from __future__ import annotations

import http.client
import ssl
import sys

# Less than Docker waits for the whole check.
_TIMEOUT_SECONDS = 2.0


def is_ready(address: str) -> bool:
    """Ask over plain HTTP, and over TLS if the port doesn't answer that.

    The certificate isn't checked: it has the name that callers use, and the port is one of this container.
    """
    unchecked = ssl.create_default_context()
    unchecked.check_hostname, unchecked.verify_mode = False, ssl.CERT_NONE
    for connection in (
        http.client.HTTPConnection(address, timeout=_TIMEOUT_SECONDS),
        http.client.HTTPSConnection(address, timeout=_TIMEOUT_SECONDS, context=unchecked),
    ):
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException):
            continue
        finally:
            connection.close()
    return False


if __name__ == "__main__":
    sys.exit(0 if is_ready(sys.argv[1]) else f"{sys.argv[1]} isn't ready")
