"""The metrics of trust in the estimated accuracy. While nothing is known there are no series."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from service.core.metrics import VERSION, Family, GaugeFamily, Merge, Start, remove

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from service.observers.skew.trust import Trust
    from soloist.v1.model_pb2 import Model

_NORM = (*VERSION, "norm")
TRUSTED = GaugeFamily(
    name="soloist_estimated_accuracy_trusted",
    text="1 if the latest traffic is like the training data, so that confidence can be trusted, and 0 if it isn't.",
    labels=_NORM,
    start=Start.FIRST,
    merge=Merge.LEAST,
)
DRIFT = GaugeFamily(
    name="soloist_input_drift_ratio",
    text="Distance of live frames from those of training, in units of what held-out data rarely exceed.",
    labels=_NORM,
    start=Start.FIRST,
    merge=Merge.MOST,
)
FAMILIES: Final[tuple[Family, ...]] = (TRUSTED, DRIFT)


class TrustMetrics:
    """One set of series in one registry. May be called on any thread."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.trusted = TRUSTED.on(registry)
        self.drift = DRIFT.on(registry)
        self._norms: dict[tuple[str, str], str] = {}
        self._lock = threading.Lock()

    def prepare(self, model: Model) -> None:
        """Take a ready version up; it has no series before something is known."""
        with self._lock:
            self._norms[model.name, str(model.version)] = model.norm

    def forget(self, name: str, version: str) -> None:
        """Remove every series of a version that has left the repository."""
        with self._lock:
            self._norms.pop((name, version), None)
            remove(name, version, (self.trusted, self.drift))

    def show(self, name: str, version: int, trust: Trust) -> None:
        """Show what is known of a version, unless it has left meanwhile."""
        key = (name, str(version))
        with self._lock:
            if key not in self._norms:
                return
            labels, trusted = (*key, self._norms[key]), trust.is_trusted
            for family, value in ((self.trusted, trusted), (self.drift, trust.input_drift)):
                if value is not None:
                    family.labels(*labels).set(value)
                else:
                    with suppress(KeyError):  # there was none before
                        family.remove(*labels)
