"""The checks of each port's key and certificates: permissions, expiry, and whether they belong together."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path

from service.app.settings import Settings
from service.core.addresses import is_of_this_machine
from service.doctor.finding import Finding, Verdict
from soloist.openssl_files import OTHER_KEY

_AREA = "keys and certificates"
_SOON = timedelta(days=21)
_FOR_OTHERS = 0o077


@dataclass(frozen=True, kw_only=True)
class _Port:
    """The files of one port, what its findings begin with, and its settings."""

    words: str
    prefix: str
    certificate: Path | None
    key: Path | None
    client_ca: Path | None


def tls_files(settings: Settings, now: datetime | None = None) -> Iterator[Finding]:
    """Return findings about the files of TLS of both ports; their contents are never shown.

    Args:
        settings: name the files.
        now: the time that certificates are compared with; None: the time of day.

    """
    now = now or datetime.now(UTC)
    grpc = _Port(
        words="",
        prefix="",
        certificate=settings.tls_certificate,
        key=settings.tls_key,
        client_ca=settings.tls_client_ca,
    )
    http = _Port(
        words="HTTP ",
        prefix="http_",
        certificate=settings.http_tls_certificate,
        key=settings.http_tls_key,
        client_ca=settings.http_tls_client_ca,
    )
    for port in (grpc, http):
        yield from _of_port(port, settings, now)


def _of_port(port: _Port, settings: Settings, now: datetime) -> Iterator[Finding]:
    certificate, key = port.certificate, port.key
    if certificate is None and key is None and port.client_ca is None:
        yield _plain(port, settings)
        return
    if certificate is None or key is None:
        names = [f"{port.prefix}tls_{name}" for name in ("certificate", "key", "client_ca")]
        remedy = "set {} and {} both; {} only with them".format(*names)
        yield _wrong(f"{port.words}TLS", "a certificate without its key, or a key without one", remedy)
        return
    if (unreadable := _unreadable(port, certificate, key)) is not None:
        yield unreadable
        return
    yield _permissions(port, key)
    yield _match(port, certificate, key)
    for what, path in (("certificate", certificate), ("client authorities", port.client_ca)):
        if path is not None:
            yield from _expiry(f"{port.words}{what}", path, now)


def _plain(port: _Port, settings: Settings) -> Finding:
    what = f"{port.words}TLS"
    if all(map(is_of_this_machine, settings.host)):
        return Finding(area=_AREA, what=what, found="off; only this machine can call")
    remedy = f"set {port.prefix}tls_certificate and {port.prefix}tls_key, or let a proxy do it"
    return Finding(area=_AREA, what=what, found="off, and other machines can call", verdict=Verdict.NOTE, remedy=remedy)


def _wrong(what: str, found: str, remedy: str) -> Finding:
    return Finding(area=_AREA, what=what, found=found, verdict=Verdict.WRONG, remedy=remedy)


def _unreadable(port: _Port, certificate: Path, key: Path) -> Finding | None:
    for path in (certificate, key, port.client_ca):
        try:
            if path is not None:
                path.read_bytes()
        except OSError as error:
            return _wrong(
                f"{port.words}files", f"{path}: {error.strerror}", "check the path, and let the server's user read it"
            )
    return None


def _permissions(port: _Port, key: Path) -> Finding:
    mode = key.stat().st_mode & 0o777
    found = f"{key} has mode {mode:04o}"
    if not mode & _FOR_OTHERS:
        return Finding(area=_AREA, what=f"{port.words}key", found=found)
    remedy = f"chmod 600 {key}: others than its owner may touch it"
    return Finding(area=_AREA, what=f"{port.words}key", found=found, verdict=Verdict.NOTE, remedy=remedy)


def _match(port: _Port, certificate: Path, key: Path) -> Finding:
    what = f"{port.words}key"
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password=_no_password)
    except ssl.SSLError as error:
        if error.reason in OTHER_KEY:
            remedy = f"set {port.prefix}tls_key to the key it was issued for"
            return _wrong(what, "it isn't that of the certificate", remedy)
        return _wrong(what, f"not usable: {error.reason or error}", "both files must be PEM, the key unencrypted")
    except ValueError:
        return _wrong(what, "it has a password", "store it without one, readable for the server's user only")
    return Finding(area=_AREA, what=what, found="it is that of the certificate")


def _no_password() -> str:
    """Refuse a key with a password, which OpenSSL would ask the terminal for."""
    raise ValueError


def _expiry(what: str, path: Path, now: datetime) -> Iterator[Finding]:
    if find_spec("cryptography") is None:
        remedy = "pip install cryptography"
        found = f"{path}: the time of expiry isn't read"
        yield Finding(area=_AREA, what=what, found=found, verdict=Verdict.NOTE, remedy=remedy)
        return
    from cryptography import x509

    try:
        certificates = x509.load_pem_x509_certificates(path.read_bytes())
    except ValueError:
        yield _wrong(what, f"{path} holds no certificate in PEM", "convert it: openssl x509 -inform der")
        return
    for each in certificates:
        begins, ends = each.not_valid_before_utc, each.not_valid_after_utc
        found = f"{each.subject.rfc4514_string() or path}: valid until {ends:%Y-%m-%d %H:%M} UTC"
        if now >= ends:
            yield _wrong(what, f"{found}, which is over", "renew it")
        elif now < begins:
            yield _wrong(what, f"{found}, from {begins:%Y-%m-%d %H:%M} UTC on", "check the clock, or wait")
        elif ends - now < _SOON:
            yield Finding(area=_AREA, what=what, found=found, verdict=Verdict.NOTE, remedy="renew it soon")
        else:
            yield Finding(area=_AREA, what=what, found=found)
