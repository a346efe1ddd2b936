"""The certificates of one port: those in use, and renewed ones that take their place without a restart."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import structlog

from service.core.file_mark import FileMark, file_mark
from service.core.metrics import CounterFamily, Family, GaugeFamily, Merge, Start
from service.transport.tls import Credentials, Tls, loaded

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

_log = structlog.get_logger("soloist.tls")


class Port(StrEnum):
    """The ports that may have certificates."""

    GRPC = "grpc"
    HTTP = "http"


class Reload(StrEnum):
    """What came of a look at files that had changed."""

    DONE = "done"
    FAILED = "failed"


EXPIRY = GaugeFamily(
    name="soloist_certificate_expiry_timestamp_seconds",
    text="When the certificate in use expires, or the first of its chain, in seconds since 1970.",
    labels=("port",),
    values=tuple(Port),
    start=Start.SERVER,
    merge=Merge.LEAST,
)
RELOADS = CounterFamily(
    name="soloist_certificate_reloads_total",
    text="Looks at renewed certificates that took them up, or failed and kept the old ones.",
    labels=("port", "outcome"),
    values=tuple(Reload),
    start=Start.SERVER,
)
FAMILIES: Final[tuple[Family, ...]] = (EXPIRY, RELOADS)


class CertificateMetrics:
    """The metrics of every port, in one registry; a port without TLS has no series."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.expiry = EXPIRY.on(registry)
        self.reloads = RELOADS.on(registry)


class Certificates:
    """The certificates of one port. `current` is replaced as a whole: it may be read on any thread."""

    def __init__(
        self,
        port: Port,
        tls: Tls,
        protocols: Sequence[str],
        metrics: CertificateMetrics,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Load the files.

        Raises:
            OSError: they can't be used; the text says which, and why.

        """
        self.tls = tls
        self._port, self._protocols, self._clock = port, protocols, clock
        self._seen = self._marks()
        self.current: Credentials = loaded(tls, protocols)
        self._said = ""
        if why := self._why_not_now(self.current):
            _log.warning("certificate does not hold", port=port, why=why)
        self._expiry, self._reloads = metrics.expiry.labels(port), metrics.reloads
        self._expiry.set(self.current.expires)
        for outcome in Reload:
            self._reloads.labels(port, outcome)

    def look(self) -> None:
        """Take up renewed files; those that can't be used are tried again at every look, and the old ones stay."""
        seen = self._marks()
        if seen == self._seen:
            return
        try:
            found = loaded(self.tls, self._protocols)
            if why := self._why_not_now(found):
                raise OSError(f"{self.tls.certificate}: {why}")
        except OSError as error:
            self._reloads.labels(self._port, Reload.FAILED).inc()
            if self._said != str(error):
                _log.error("renewed certificate not used", port=self._port, why=str(error), until=_date(self.current))
            self._said = str(error)
            return
        self.current, self._seen, self._said = found, seen, ""
        self._expiry.set(found.expires)
        self._reloads.labels(self._port, Reload.DONE).inc()
        _log.info("certificate renewed", port=self._port, until=_date(found))

    def _marks(self) -> tuple[FileMark | None, ...]:
        return tuple(map(file_mark, self.tls.files))

    def _why_not_now(self, found: Credentials) -> str:
        now = self._clock()
        if now >= found.expires:
            return f"expired {_date(found)}"
        return "" if now >= found.begins else "does not hold yet"


def _date(found: Credentials) -> str:
    return datetime.fromtimestamp(found.expires, UTC).isoformat()
