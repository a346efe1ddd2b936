"""The certificates of both ports: which files the settings name, and who looks for renewed ones."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from service.app.settings import Settings, SettingsError
from service.core.failures import Failures, Worker
from service.transport.certificates import CertificateMetrics, Certificates, Port
from service.transport.tls import Tls

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

_log = structlog.get_logger("soloist.tls")
_HTTPUNK = "httpunk"


@dataclass(frozen=True, kw_only=True)
class PortCertificates:
    """Those of each port; None for one that takes plain connections."""

    grpc: Certificates | None
    http: Certificates | None

    async def follow(self, failures: Failures, seconds: float) -> None:
        """Look for renewed files every so many seconds, without end; reading files takes no time of the event loop."""
        ports = [each for each in (self.grpc, self.http) if each is not None]

        async def look() -> float:
            for each in ports:
                await asyncio.to_thread(each.look)
            return seconds

        if ports and seconds:
            await failures.forever(Worker.CERTIFICATES, look)


def check_tls(settings: Settings) -> None:
    """Refuse settings of TLS that don't fit together.

    Raises:
        SettingsError: with the names of the settings.

    """
    _grpc(settings), _http(settings)


def port_certificates(settings: Settings, registry: CollectorRegistry) -> PortCertificates:
    """Load the certificates of both ports.

    Raises:
        OSError: a file can't be used.

    """
    grpc, http, metrics = _grpc(settings), _http(settings), CertificateMetrics(registry)
    found = PortCertificates(
        grpc=None if grpc is None else Certificates(Port.GRPC, grpc, ["h2"], metrics),
        http=None if http is None else Certificates(Port.HTTP, http, ["http/1.1"], metrics),
    )
    if grpc is not None and http is None:
        _log.warning("HTTP port takes plain connections", hint="set http_tls_certificate and http_tls_key")
    return found


def _grpc(settings: Settings) -> Tls | None:
    is_optional = settings.tls_client_certificate == "optional"
    if is_optional and settings.transport != _HTTPUNK:
        raise SettingsError(
            "tls_client_certificate: grpc.aio asks for certificates only if it requires them; set transport to httpunk"
        )
    if settings.tls_certificate is not None and settings.tls_key is not None:
        return Tls(
            certificate=settings.tls_certificate,
            key=settings.tls_key,
            client_ca=settings.tls_client_ca,
            is_optional=is_optional,
        )
    _refuse_parts("", settings.tls_certificate, settings.tls_key, settings.tls_client_ca)
    return None


def _http(settings: Settings) -> Tls | None:
    if settings.http_tls_certificate is not None and settings.http_tls_key is not None:
        return Tls(
            certificate=settings.http_tls_certificate,
            key=settings.http_tls_key,
            client_ca=settings.http_tls_client_ca,
            is_optional=settings.http_tls_client_certificate == "optional",
        )
    _refuse_parts("http_", settings.http_tls_certificate, settings.http_tls_key, settings.http_tls_client_ca)
    return None


def _refuse_parts(port: str, *files: object) -> None:
    if any(file is not None for file in files):
        raise SettingsError(
            f"{port}tls_certificate and {port}tls_key have to be set both, and {port}tls_client_ca only with them"
        )
