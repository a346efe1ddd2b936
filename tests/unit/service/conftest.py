from __future__ import annotations

from dataclasses import dataclass

import pytest
from prometheus_client import CollectorRegistry

from service.core.failures import Failures
from service.core.metrics import Metrics


@dataclass(frozen=True)
class Meter:
    """Metrics, and the way to read them."""

    metrics: Metrics
    registry: CollectorRegistry

    @property
    def failures(self) -> Failures:
        return Failures(self.metrics.background_failures)

    def value(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, labels)


@pytest.fixture
def meter() -> Meter:
    registry = CollectorRegistry()
    return Meter(Metrics(registry), registry)
