"""The settings of TLS on both ports: certificates as files, whom they are asked of, and how renewed ones are found."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class TlsSettings(BaseModel):
    """Certificates of the gRPC port and of the HTTP port, and those that callers show. Renewed files are taken up."""

    model_config = ConfigDict(title="TLS")

    tls_certificate: Path | None = Field(
        None, description="Certificate chain of the gRPC port, PEM; without it the port takes plain connections."
    )
    tls_key: Path | None = Field(None, description="Private key of that certificate, PEM.")
    tls_client_ca: Path | None = Field(
        None, description="Certificates, PEM, one of which must have signed that of every caller (mutual TLS)."
    )
    tls_client_certificate: Literal["required", "optional"] = Field(
        "required",
        description="With `tls_client_ca`: callers without a certificate are turned away, or let in (httpunk only).",
    )
    http_tls_certificate: Path | None = Field(
        None, description="Certificate chain of the HTTP port, PEM; without it the port takes plain connections."
    )
    http_tls_key: Path | None = Field(None, description="Private key of that certificate, PEM.")
    http_tls_client_ca: Path | None = Field(
        None, description="Certificates, PEM, one of which must have signed that of every caller of the HTTP port."
    )
    http_tls_client_certificate: Literal["required", "optional"] = Field(
        "required",
        description="With `http_tls_client_ca`: callers without a certificate are turned away, or let in.",
    )
    tls_reload_seconds: float = Field(
        10.0,
        ge=0,
        le=86_400,
        description="Time between two looks for renewed files; they hold for new connections. 0: only a restart.",
    )
