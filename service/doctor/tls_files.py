"""The checks of keys and certificates: permissions, expiry, and whether the key belongs to the certificate."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path

from service.app.settings import Settings
from service.core.addresses import is_of_this_machine
from service.doctor.finding import Finding, Verdict

_AREA = "keys and certificates"
_SOON = timedelta(days=21)
_FOR_OTHERS = 0o077


def tls_files(settings: Settings, now: datetime | None = None) -> Iterator[Finding]:
    """Return findings about the files of TLS; their contents are never shown.

    Args:
        settings: name the files.
        now: the time that certificates are compared with; None: the time of day.

    """
    now = now or datetime.now(UTC)
    certificate, key = settings.tls_certificate, settings.tls_key
    if certificate is None and key is None and settings.tls_client_ca is None:
        yield _plain(settings)
        return
    if certificate is None or key is None:
        remedy = "set tls_certificate and tls_key both; tls_client_ca only with them"
        yield _wrong("TLS", "a certificate without its key, or a key without one", remedy)
        return
    if (unreadable := _unreadable(certificate, key, settings.tls_client_ca)) is not None:
        yield unreadable
        return
    yield _permissions(key)
    yield _match(certificate, key)
    for what, path in (("certificate", certificate), ("client authorities", settings.tls_client_ca)):
        if path is not None:
            yield from _expiry(what, path, now)


def _plain(settings: Settings) -> Finding:
    if all(map(is_of_this_machine, settings.host)):
        return Finding(area=_AREA, what="TLS", found="off; only this machine can call")
    remedy = "set tls_certificate and tls_key, or let a proxy do it"
    return Finding(
        area=_AREA, what="TLS", found="off, and other machines can call", verdict=Verdict.NOTE, remedy=remedy
    )


def _wrong(what: str, found: str, remedy: str) -> Finding:
    return Finding(area=_AREA, what=what, found=found, verdict=Verdict.WRONG, remedy=remedy)


def _unreadable(*paths: Path | None) -> Finding | None:
    for path in paths:
        try:
            if path is not None:
                path.read_bytes()
        except OSError as error:
            return _wrong("files", f"{path}: {error.strerror}", "check the path, and let the server's user read it")
    return None


def _permissions(key: Path) -> Finding:
    mode = key.stat().st_mode & 0o777
    found = f"{key} has mode {mode:04o}"
    if not mode & _FOR_OTHERS:
        return Finding(area=_AREA, what="key", found=found)
    remedy = f"chmod 600 {key}: others than its owner may touch it"
    return Finding(area=_AREA, what="key", found=found, verdict=Verdict.NOTE, remedy=remedy)


def _match(certificate: Path, key: Path) -> Finding:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password=_no_password)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            return _wrong("key", "it isn't that of the certificate", "set tls_key to the key it was issued for")
        return _wrong("key", f"not usable: {error.reason or error}", "both files must be PEM, the key unencrypted")
    except ValueError:
        return _wrong("key", "it has a password", "store it without one, readable for the server's user only")
    return Finding(area=_AREA, what="key", found="it is that of the certificate")


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
