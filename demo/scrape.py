"""Owns what the server says of itself: /metrics over HTTP, and the few figures the report shows."""

from __future__ import annotations

import http.client
from collections.abc import Iterable

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from demo.plan import DemoError

_TIMEOUT_SECONDS = 10.0


class Scrape:
    """One answer of /metrics."""

    def __init__(self, samples: Iterable[Sample]) -> None:
        self._samples = list(samples)

    @classmethod
    def of(cls, address: str) -> Scrape:
        """Ask the server whose HTTP port is at `address` (host:port); raises DemoError."""
        connection = http.client.HTTPConnection(address, timeout=_TIMEOUT_SECONDS)
        try:
            connection.request("GET", "/metrics")
            response = connection.getresponse()
            text = response.read().decode()
        except OSError as error:
            raise DemoError(f"/metrics at {address} does not answer: {error}") from error
        finally:
            connection.close()
        if response.status != http.client.OK:
            raise DemoError(f"/metrics at {address} answers with status {response.status}")
        return cls(sample for family in text_string_to_metric_families(text) for sample in family.samples)

    def total(self, name: str, **labels: str) -> float:
        """Add up the samples of that name that have these labels."""
        wanted = labels.items()
        return sum(sample.value for sample in self._samples if sample.name == name and wanted <= sample.labels.items())

    def mean(self, name: str, **labels: str) -> float:
        """Give the mean of a histogram; 0 when it is empty."""
        count = self.total(f"{name}_count", **labels)
        return self.total(f"{name}_sum", **labels) / count if count else 0.0

    def requests(self, model: str, api: str) -> int:
        """Count the calls to a model that ended well."""
        return int(self.total("soloist_requests_total", model=model, api=api, code="OK"))
