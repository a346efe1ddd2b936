"""The metrics of resume tokens."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

from service.core.errors import Reason
from service.core.metrics import CounterFamily, Family, Start
from service.core.reasons.error_kind import ErrorKind

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

SEALED = CounterFamily(name="soloist_resume_tokens_total", text="Resume tokens that were made.", start=Start.SERVER)


class Resumed(StrEnum):
    """What came of a resume token that a caller brought."""

    CONTINUED = "continued"
    INVALID = "invalid"
    EXPIRED = "expired"
    FOREIGN = "foreign"
    KEY_UNKNOWN = "key-unknown"
    MACHINE_DIFFERS = "machine-differs"
    CLIENT_DIFFERS = "client-differs"
    NO_VERSION = "no-version"


_OUTCOMES: Final = {
    Reason.RESUME_TOKEN_INVALID: Resumed.INVALID,
    Reason.RESUME_TOKEN_EXPIRED: Resumed.EXPIRED,
    Reason.RESUME_TOKEN_FOREIGN: Resumed.FOREIGN,
    Reason.RESUME_KEY_UNKNOWN: Resumed.KEY_UNKNOWN,
    Reason.RESUME_MACHINE_DIFFERS: Resumed.MACHINE_DIFFERS,
    Reason.RESUME_CLIENT_DIFFERS: Resumed.CLIENT_DIFFERS,
}
RESUMED = CounterFamily(
    name="soloist_resumes_total",
    text="Resume tokens that callers brought, by what came of them.",
    labels=("outcome",),
    values=tuple(Resumed),
    start=Start.SERVER,
)
FAMILIES: Final[tuple[Family, ...]] = (SEALED, RESUMED)


class ResumeMetrics:
    """The metrics in one registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.sealed = SEALED.on(registry)
        self._resumed = RESUMED.on(registry)
        for outcome in Resumed:
            self._resumed.labels(outcome)

    def continued(self) -> None:
        """Count a token whose sequence goes on here."""
        self._resumed.labels(Resumed.CONTINUED).inc()

    def refused(self, reason: ErrorKind) -> None:
        """Count a token that was refused; without a reason of its own its version doesn't serve here."""
        self._resumed.labels(_OUTCOMES.get(reason, Resumed.NO_VERSION)).inc()
