from __future__ import annotations

import time
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


class ProcessorClock:
    """The processor time of threads, in seconds: no run takes any, but those of a slow runner."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> ProcessorClock:
    clock = ProcessorClock()
    monkeypatch.setattr(time, "thread_time", clock)
    return clock
