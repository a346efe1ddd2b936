"""The metrics page over HTTP: made once for all who ask at once, kept for a while, and shown as far as it can be."""

from __future__ import annotations

import gzip
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from service.core.failures import Failures
from tests.http_port import serving_pages

OPEN_METRICS = "application/openmetrics-text; version=1.0.0"


def parse(text: str, *, as_open_metrics: bool = False) -> list[Metric]:
    return list(open_metrics(text) if as_open_metrics else text_string_to_metric_families(text))  # type: ignore[no-untyped-call]


@dataclass(eq=False)
class Slow(Collector):
    """A collector that waits at its gate, and counts how often it is asked."""

    gate: threading.Event = field(default_factory=threading.Event)
    began: threading.Event = field(default_factory=threading.Event)
    asked: int = 0
    error: Exception | None = None

    def collect(self) -> Iterator[Metric]:
        self.asked += 1
        self.began.set()
        assert self.gate.wait(30)
        yield GaugeMetricFamily("before", "Yielded before the error.", value=self.asked)
        if self.error is not None:
            raise self.error


@dataclass
class Port:
    """A server of a page, whose clock only the test moves."""

    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    now: float = 0.0
    port: int = 0

    def __post_init__(self) -> None:
        self.failures = Failures(self.registry)
        self.eggs = Counter("eggs", "Eggs laid.", registry=self.registry)

    @property
    def failed(self) -> float | None:
        """How often the page failed."""
        return self.registry.get_sample_value("soloist_background_failures_total", {"worker": "metrics"})

    def get(self, query: str = "", **headers: str) -> tuple[str, bytes]:
        """Fetch the page: its content type, and its bytes."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/metrics{query}", headers=named)
        with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310  # our own http address
            return response.headers["Content-Type"], response.read()

    def values(self, query: str = "") -> dict[str, float]:
        """Read every sample without labels."""
        families = parse(self.get(query)[1].decode())
        return {sample.name: sample.value for family in families for sample in family.samples if not sample.labels}


@pytest.fixture
def served() -> Iterator[Port]:
    with serving(Port()) as served:
        yield served


@contextmanager
def serving(port: Port) -> Iterator[Port]:
    with serving_pages(port.registry, port.failures, kept_seconds=1.0, clock=lambda: port.now) as port.port:
        yield port


def test_a_page_is_kept_for_a_while(served: Port) -> None:
    assert served.values()["eggs_total"] == 0
    served.eggs.inc()
    served.now = 0.99
    assert served.values()["eggs_total"] == 0
    served.now = 1.01
    assert served.values()["eggs_total"] == 1


def test_whoever_asks_while_a_page_is_made_gets_the_same(served: Port) -> None:
    slow = Slow()
    served.registry.register(slow)
    pages: list[bytes] = []
    threads = [threading.Thread(target=lambda: pages.append(served.get()[1])) for _ in range(10)]
    for thread in threads:
        thread.start()
    assert slow.began.wait(30)
    slow.gate.set()
    for thread in threads:
        thread.join()
    assert (slow.asked, len(pages), len(set(pages))) == (1, 10, 1)


def test_a_page_that_is_being_made_holds_up_no_other_request(served: Port) -> None:
    slow = Slow()
    served.registry.register(slow)
    scraper = threading.Thread(target=served.get)
    scraper.start()
    assert slow.began.wait(30)
    with urllib.request.urlopen(f"http://127.0.0.1:{served.port}/healthz", timeout=30) as response:
        assert response.read() == b"alive\n"
    assert scraper.is_alive()
    slow.gate.set()
    scraper.join()


def test_each_encoding_is_a_page_of_its_own(served: Port) -> None:
    plain_type, plain = served.get()
    zipped_type, zipped = served.get(Accept_Encoding="gzip")
    open_type, reported = served.get(Accept=OPEN_METRICS)
    assert gzip.decompress(zipped) == plain
    assert plain_type == zipped_type
    assert plain_type.startswith("text/plain; version=0.0.4")
    assert open_type.startswith("application/openmetrics-text; version=1.0.0")
    assert reported.endswith(b"# EOF\n")
    reported_names = {family.name for family in parse(reported.decode(), as_open_metrics=True)}
    assert reported_names == {"soloist_background_failures", "eggs"}
    # And the first is still there, beside any number of others.
    for number in range(20):
        assert served.values(f"?name[]=eggs_total&name[]=none_{number}") == {"eggs_total": 0}
    assert served.values("?name[]=none") == {}


def _no_figure() -> float:
    raise ZeroDivisionError("a callback that fails")


def _callback(registry: CollectorRegistry) -> None:
    Gauge("called_back", "A gauge with a callback.", registry=registry).set_function(_no_figure)


def _collector(registry: CollectorRegistry) -> None:
    slow = Slow(error=KeyError("a collector that fails"))
    slow.gate.set()
    registry.register(slow)


def _no_number(registry: CollectorRegistry) -> None:
    class NoNumber(Collector):
        def collect(self) -> Iterator[Metric]:
            yield GaugeMetricFamily("no_number", "Can't be written.", value="many")  # type: ignore[arg-type]

    registry.register(NoNumber())


@pytest.mark.parametrize("spoil", [_callback, _collector, _no_number])
@pytest.mark.parametrize("accept", ["*/*", OPEN_METRICS])
def test_what_cannot_be_shown_hides_nothing_else(
    served: Port, spoil: Callable[[CollectorRegistry], None], accept: str
) -> None:
    spoil(served.registry)
    Gauge("after", "Registered after it.", registry=served.registry).set(7)
    text = served.get(Accept=accept)[1].decode()
    families = parse(text, as_open_metrics=accept == OPEN_METRICS)
    values = {sample.name: sample.value for family in families for sample in family.samples}
    assert (values["eggs_total"], values["after"]) == (0, 7)
    assert ("before" in values) is (spoil is _collector)
    assert served.failed == 1
    served.now += 2
    assert served.get()[1]
    assert served.failed == 2
