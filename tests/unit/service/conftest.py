from __future__ import annotations

from dataclasses import dataclass

import pytest
from prometheus_client import CollectorRegistry

from service.app.metrics import Metrics
from service.core.failures import Failures


@dataclass(frozen=True)
class Meter:
    """Metrics, and the way to read them."""

    metrics: Metrics
    registry: CollectorRegistry
    failures: Failures

    def value(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, labels)


@pytest.fixture
def meter() -> Meter:
    registry = CollectorRegistry()
    return Meter(Metrics(registry), registry, Failures(registry))
