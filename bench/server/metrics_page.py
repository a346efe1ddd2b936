"""Pages that a server shows over HTTP, its metrics above all: read past any proxy, and taken apart into samples."""

from __future__ import annotations

import urllib.error
import urllib.request

from prometheus_client.parser import text_string_to_metric_families

from soloist.client.channel import is_local

Samples = dict[str, dict[tuple[tuple[str, str], ...], float]]  # by name, then by labels sorted by name
_TIMEOUT_SECONDS = 10


def read_page(http: str, path: str) -> tuple[int, str]:
    """Return status and text of one page of the server at `http` (host:port). Raises OSError when none answers."""
    # A proxy of the environment knows no address of this machine.
    handlers = [urllib.request.ProxyHandler({})] if is_local(http) else []
    opener = urllib.request.build_opener(*handlers)
    try:
        with opener.open(f"http://{http}{path}", timeout=_TIMEOUT_SECONDS) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


class MetricsPage:
    """One answer of /metrics."""

    def __init__(self, text: str) -> None:
        self.text = text

    @classmethod
    def read(cls, http: str) -> MetricsPage:
        """Return the page of the server at `http` (host:port). Raises OSError where it can't be had."""
        status, text = read_page(http, "/metrics")
        if status != 200:
            raise OSError(f"/metrics at {http} answers with status {status}")
        return cls(text)

    def samples(self, prefix: str = "") -> Samples:
        """Return the samples whose names begin with `prefix`."""
        lines = [line for line in self.text.splitlines() if line.startswith(prefix)]
        found: Samples = {}
        for family in text_string_to_metric_families("\n".join(lines)):
            for sample in family.samples:
                found.setdefault(sample.name, {})[tuple(sorted(sample.labels.items()))] = sample.value
        return found

    def total(self, name: str, **labels: str) -> float:
        """Return the sum of the samples of that name that bear these labels; 0 without any."""
        series = self.samples(name).get(name, {})
        return sum(value for key, value in series.items() if labels.items() <= dict(key).items())

    def mean(self, name: str, **labels: str) -> float:
        """Return the mean of a histogram; 0 when it is empty."""
        count = self.total(f"{name}_count", **labels)
        return self.total(f"{name}_sum", **labels) / count if count else 0.0
