"""What the settings let callers do: the guards of the server's addresses, and the tokens behind them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from service.access.credentials import Credentials
from service.access.need import ALL_FEATURES, Feature
from service.core.addresses import host_and_port
from service.transport.guards import OPEN, Guards

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from service.app.settings import Settings

_NONE, _ALL = "none", "all"


@dataclass(frozen=True, kw_only=True)
class Access:
    """The guards of gRPC and of HTTP, and those of the operators' own address, host and port, if there is one."""

    credentials: Credentials | None
    guards: Guards
    http_guards: Guards
    admin_guards: Guards
    admin: tuple[str, int] | None


EVERYTHING = Access(credentials=None, guards=OPEN, http_guards=OPEN, admin_guards=OPEN, admin=None)


def access(settings: Settings, registry: CollectorRegistry) -> Access:
    """Load the tokens, if there is a file of them.

    Raises:
        OSError: the file can't be used.

    """
    file = settings.tokens_file
    by_certificate, by_http_certificate = settings.tls_client_ca is not None, settings.http_tls_client_ca is not None
    credentials = None if file is None else Credentials(file, registry)
    enabled, address = enabled_features(settings.enable), settings.admin_address
    here = enabled if address is None else frozenset()
    elsewhere = "" if address is None else "the operators' address (admin_address)"
    return Access(
        credentials=credentials,
        guards=Guards(credentials, by_certificate=by_certificate, enabled=here, elsewhere=elsewhere),
        http_guards=Guards(credentials, by_certificate=by_http_certificate, enabled=here, elsewhere=elsewhere),
        # An address of their own is asked for by those who want all of it.
        admin_guards=Guards(credentials, by_certificate=by_certificate),
        admin=None if address is None else host_and_port(address),
    )


def enabled_features(text: str) -> frozenset[Feature]:
    """Return the features of a list such as "admin,monitoring", of "all" or of "none"."""
    if text in (_NONE, _ALL):
        return ALL_FEATURES if text == _ALL else frozenset()
    return frozenset(Feature(each) for each in text.split(","))
