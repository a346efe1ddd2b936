"""The files of TLS: read whole, checked, and given as event loops and gRPC take them."""

from __future__ import annotations

import ssl
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from soloist.openssl_files import OTHER_KEY, in_memory

# A bundle of every authority there is has a quarter of a MiB.
_MAX_FILE_BYTES = 2**20
# Those of gRPC, so that both transports take the same: forward secrecy and authenticated encryption.
_CIPHERS_OF_TLS_1_2 = "ECDHE+AESGCM:ECDHE+CHACHA20"


@dataclass(frozen=True, kw_only=True)
class Tls:
    """Files in PEM. With `client_ca` a caller has to show a certificate that one of it has signed, or may."""

    certificate: Path
    key: Path
    client_ca: Path | None = None
    is_optional: bool = False

    @property
    def files(self) -> tuple[Path, ...]:
        """Return the files."""
        return (self.certificate, self.key, *([] if self.client_ca is None else [self.client_ca]))


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """What was in the files, checked, and the times in seconds since 1970 between which every certificate holds."""

    certificate: bytes
    key: bytes
    client_ca: bytes | None
    begins: float
    expires: float
    context: ssl.SSLContext


def loaded(tls: Tls, protocols: Sequence[str]) -> Credentials:
    """Load the files, each once, so that what is checked is what is used; `protocols` are those of ALPN.

    Raises:
        OSError: a file can't be read, or isn't what it has to be, or the key is not that of the certificate.

    """
    certificate, key = _content(tls.certificate), _content(tls.key)
    client_ca = None if tls.client_ca is None else _content(tls.client_ca)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS_OF_TLS_1_2)
    context.set_alpn_protocols(list(protocols))
    with _named(tls.certificate, tls.key), in_memory(certificate) as chain_file, in_memory(key) as key_file:
        # Without a password OpenSSL would ask for one on the terminal.
        context.load_cert_chain(chain_file, key_file, password="")
    if client_ca is not None and tls.client_ca is not None:
        with _named(tls.client_ca), in_memory(client_ca) as file:
            context.load_verify_locations(file)
        context.verify_mode = ssl.CERT_OPTIONAL if tls.is_optional else ssl.CERT_REQUIRED
    begins, expires = _validity(tls.certificate, certificate)
    return Credentials(
        certificate=certificate, key=key, client_ca=client_ca, begins=begins, expires=expires, context=context
    )


def _content(path: Path) -> bytes:
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(f"{path}: is no regular file")
    with path.open("rb") as file:
        content = file.read(_MAX_FILE_BYTES + 1)
    if not content:
        raise OSError(f"{path}: is empty")
    if len(content) > _MAX_FILE_BYTES:
        raise OSError(f"{path}: is larger than {_MAX_FILE_BYTES} bytes")
    return content


@contextmanager
def _named(*paths: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:  # of OpenSSL, in its words
        why = getattr(error, "reason", None) or error.strerror or str(error)
        if why in OTHER_KEY:
            why = OTHER_KEY[0]  # what it says of the other tells nobody anything
        raise OSError(f"{', '.join(map(str, paths))}: {str(why).replace('_', ' ').lower()} (PEM is expected)") from None


def _validity(path: Path, chain: bytes) -> tuple[float, float]:
    """Return when the last certificate of a chain begins to hold, and when the first one ends."""
    from cryptography import x509  # a server without TLS doesn't need it

    try:
        found = x509.load_pem_x509_certificates(chain)
    except ValueError:
        raise OSError(f"{path}: is no certificate in PEM") from None
    begins = max(each.not_valid_before_utc.timestamp() for each in found)
    return begins, min(each.not_valid_after_utc.timestamp() for each in found)
