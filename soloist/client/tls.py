"""The certificates of a client: what it trusts, what it shows, and whether each is what it has to be."""

from __future__ import annotations

import base64
import binascii
import os
import re
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from soloist.openssl_files import OTHER_KEY, in_memory

_File = str | Path | None
# PKCS #8, or a form that names its algorithm first.
_KEY = re.compile(rb"-----BEGIN ((?:[A-Z]+ )?PRIVATE KEY)-----(.+?)-----END \1-----", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class TLS:
    """Certificates, PEM. Without root certificates the system's are trusted; chain and key are for mutual TLS.

    Raises:
        ValueError: one of them isn't what it has to be, or there is a chain without a key, or a key without a chain, or
            the key is that of another certificate.

    """

    root_certificates: bytes | None = None
    certificate_chain: bytes | None = None
    private_key: bytes | None = None

    def __post_init__(self) -> None:
        # gRPC tells of it at the first call, as of a server that can't be reached.
        if (self.certificate_chain is None) != (self.private_key is None):
            raise ValueError("certificate_chain and private_key belong together")
        for name, content in (
            ("root_certificates", self.root_certificates),
            ("certificate_chain", self.certificate_chain),
        ):
            if content is not None and (fault := _fault_of_certificates(content)):
                raise ValueError(f"{name}: {fault}")
        if self.private_key is not None and (fault := _fault_of_key(self.private_key, self.certificate_chain)):
            raise ValueError(f"private_key: {fault}")

    @classmethod
    def from_files(cls, *, ca: _File = None, certificate: _File = None, key: _File = None) -> TLS:
        """Load them from files: the authorities to trust, and what is shown to the server.

        Raises:
            OSError: a file can't be read.
            ValueError: a file isn't what it has to be, or one of certificate and key is missing, or the key is that of
                another certificate.

        """
        root_certificates = None if ca is None else read_certificates(ca)
        chain = None if certificate is None else read_certificates(certificate)
        private_key = None if key is None else read_key(key, chain)
        return cls(root_certificates=root_certificates, certificate_chain=chain, private_key=private_key)


def read_certificates(file: str | Path) -> bytes:
    """Return the content of a file of certificates.

    Raises:
        OSError: it can't be read.
        ValueError: it holds none in PEM; the text names the file.

    """
    return _read(file, _fault_of_certificates)


def read_key(file: str | Path, certificate_chain: bytes | None = None) -> bytes:
    """Return the content of a file of a private key, that of the first certificate of the chain, if one is given.

    Raises:
        OSError: it can't be read.
        ValueError: it holds none in PEM, or one with a password or of another certificate; the text names the file.

    """
    return _read(file, lambda content: _fault_of_key(content, certificate_chain))


def _read(file: str | Path, fault_of: Callable[[bytes], str]) -> bytes:
    content = Path(file).read_bytes()
    if fault := fault_of(content):
        raise ValueError(f"{file}: {fault}")
    return content


def _fault_of_certificates(content: bytes) -> str:
    """Return what is wrong with certificates; empty if nothing is."""
    # What is not ASCII is a comment.
    text = content.decode("ascii", "ignore")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=text)
    except (ssl.SSLError, ValueError):
        return "it holds no certificate in PEM (from DER: openssl x509 -inform der), or a damaged one"
    return ""


def _fault_of_key(content: bytes, certificate_chain: bytes | None) -> str:
    """Return what is wrong with a private key; empty if nothing is. Its content is never told."""
    found = _KEY.search(content)
    if found is None:
        return "it holds no private key in PEM (from DER: openssl pkey -inform der)"
    if found[1].startswith(b"ENCRYPTED") or b"ENCRYPTED" in found[2]:
        return "the private key has a password, which gRPC can't ask for (openssl pkey takes it off)"
    try:
        base64.b64decode(b"".join(found[2].split()), validate=True)
    except binascii.Error:
        return "it holds a damaged private key"
    if certificate_chain is not None and _is_of_another(certificate_chain, content):
        return "it is the private key of another certificate"
    return ""


def _is_of_another(certificate_chain: bytes, key: bytes) -> bool:
    """Return whether a key is surely not that of a certificate: whatever else OpenSSL says, gRPC may take them."""
    if not hasattr(os, "memfd_create"):  # it is Linux's
        return False
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    with in_memory(certificate_chain) as chain_file, in_memory(key) as key_file:
        try:
            # Without a password OpenSSL would ask for one on the terminal.
            context.load_cert_chain(chain_file, key_file, password="")
        except ssl.SSLError as error:
            return error.reason in OTHER_KEY
        except (OSError, ValueError):
            return False
    return False
