"""The guard of each method: who calls, and whether that client may; asked before anything of a call is read."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NoReturn

from service.access.client import ALL_ROLES, Client
from service.access.need import ALL_FEATURES, Feature
from service.core.errors import Reason, ServiceError

if TYPE_CHECKING:
    from service.access.credentials import Credentials
    from service.access.need import Need
    from service.transport.context import Caller

# Returns who calls, or None if nobody has to show it. Raises ServiceError if the call isn't allowed.
Guard = Callable[["Caller"], Client]

_SCHEME = "bearer"
_CERTIFICATE = "x509_pem_cert"
# In this order: who has both is known by the first that the file has.
_NAMES = ("x509_common_name", "x509_subject_alternative_name")


class Guards:
    """The guards of all methods on one address."""

    def __init__(
        self,
        credentials: Credentials | None = None,
        *,
        by_certificate: bool = False,
        enabled: frozenset[Feature] = ALL_FEATURES,
        elsewhere: str = "",
    ) -> None:
        """Create it.

        Args:
            credentials: what clients may show; without them everybody may call every method that is on.
            by_certificate: callers have shown a certificate of ours.
            enabled: what is on.
            elsewhere: the address where what is off here is on, if there is one.

        """
        self._credentials = credentials
        self._by_certificate = by_certificate
        self._enabled = enabled
        self._elsewhere = elsewhere

    def has(self, feature: Feature) -> bool:
        """Return whether a feature is on."""
        return feature in self._enabled

    def of(self, method: str, need: Need) -> Guard | None:
        """Return the guard of a method; None if everybody may call it, which costs a call nothing."""
        if need.feature is not None and need.feature not in self._enabled:
            return self._closed(method, need.feature)
        if self._credentials is not None and need.roles:
            return self._guard(method, need, self._credentials)
        if self._by_certificate and need.roles:
            return _certified
        return None

    def _guard(self, method: str, need: Need, credentials: Credentials) -> Guard:
        by_certificate = self._by_certificate

        def guard(caller: Caller) -> Client:
            secret = bearer(caller.invocation_metadata() or ())
            if secret is not None:
                client = credentials.of_token(secret)
            else:
                found = credentials.of_certificate(certificate_names(caller)) if by_certificate else None
                if found is None:
                    raise ServiceError(Reason.TOKEN_MISSING)
                client = found
            if need.roles.isdisjoint(client.roles):
                raise ServiceError(
                    Reason.ROLE_MISSING,
                    method=method,
                    client=client.name,
                    roles=" or ".join(sorted(need.roles)),
                )
            return client

        return guard

    def _closed(self, method: str, feature: Feature) -> Guard:
        remedy = f"call {self._elsewhere}" if self._elsewhere else f"ask the operator for --enable {feature}"

        def refuse(_caller: Caller) -> NoReturn:
            raise ServiceError(Reason.METHOD_OFF, method=method, remedy=remedy)

        return refuse


OPEN = Guards()


def bearer(metadata: Iterable[tuple[str, str | bytes]]) -> str | None:
    """Return the token of a call; None if it has none.

    Raises:
        ServiceError: TOKEN_INVALID; there are several, or it isn't written as one.

    """
    found = [value for name, value in metadata if name == "authorization"]
    if not found:
        return None
    scheme, _, secret = str(found[0]).partition(" ")
    if len(found) > 1 or scheme.lower() != _SCHEME or not secret:
        raise ServiceError(Reason.TOKEN_INVALID)
    return secret.strip()


def certificate_names(caller: Caller) -> list[str]:
    """Return the names in the caller's certificate: the common name, then the alternative ones."""
    shown = caller.auth_context()
    return [name.decode("utf-8", "replace") for key in _NAMES for name in shown.get(key, ())]


def _certified(caller: Caller) -> Client:
    """Return a caller whose certificate is all that is asked for, by its first name: it may do everything.

    Raises:
        ServiceError: TOKEN_MISSING; it has shown none, where the transport lets such callers in.

    """
    if _CERTIFICATE not in caller.auth_context():
        raise ServiceError(Reason.TOKEN_MISSING)
    names = certificate_names(caller)
    return Client(name=names[0] if names else "", roles=ALL_ROLES)
