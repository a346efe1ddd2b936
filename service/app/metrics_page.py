"""The metrics page: built by one thread at a time, cached for a while, with everything that can be collected.

Building a page takes the interpreter's lock, which answers need, too. So a scraper that asks meanwhile waits and gets
the same bytes, and the thread pauses between some of the lines. Sending pages takes the lock as well, so they follow
each other at a distance, which a scraper that comes every few seconds doesn't notice.
"""

from __future__ import annotations

import gzip
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qs

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.exposition import choose_encoder, gzip_accepted
from prometheus_client.registry import Collector

from service.core.failures import Worker

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

    from service.core.failures import Failures

_LONGEST_WAIT_SECONDS = 10.0
# Cached pages: by encoding, and by the names that a scraper asks for.
_MOST_PAGES = 8
_LINES_AT_ONCE = 100
_PAUSE_SECONDS = 0.01
_PAUSE_SECONDS_PER_BYTE = 1 / 50e6


class _Page(NamedTuple):
    until: float
    headers: list[tuple[str, str]]
    body: bytes


class MetricsPage:
    """A WSGI application that answers GET."""

    def __init__(
        self,
        registry: CollectorRegistry,
        failures: Failures,
        *,
        kept_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Create the application.

        Args:
            registry: the metrics.
            failures: where failures of collectors are counted.
            kept_seconds: how long a page is cached.
            clock: returns seconds.

        """
        self._registry = registry
        self._failures = failures
        self._kept_seconds = kept_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._free_at = 0.0
        self._pages: OrderedDict[tuple[object, ...], _Page] = OrderedDict()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer with a page in the requested encoding; 503 if it takes too long to build."""
        accept, names = environ.get("HTTP_ACCEPT", ""), parse_qs(environ.get("QUERY_STRING", "")).get("name[]", [])
        zipped = gzip_accepted(environ.get("HTTP_ACCEPT_ENCODING", ""))
        if not self._lock.acquire(timeout=_LONGEST_WAIT_SECONDS):
            start_response("503 Service Unavailable", [("Content-Length", "0")])
            return []
        try:
            time.sleep(max(0.0, self._free_at - time.monotonic()))
            page = self._page(accept, zipped=zipped, names=names)
            self._free_at = time.monotonic() + _PAUSE_SECONDS + len(page.body) * _PAUSE_SECONDS_PER_BYTE
        finally:
            self._lock.release()
        start_response("200 OK", page.headers)
        return [page.body]

    def _page(self, accept: str, *, zipped: bool, names: Sequence[str]) -> _Page:
        encode, content_type = choose_encoder(accept)
        key = (content_type, zipped, frozenset(names))
        page = self._pages.get(key)
        if page is not None and self._clock() < page.until:
            return page
        headers = [("Content-Type", content_type)]
        shown = _Shown(self._registry, self._failures, names)
        try:
            body = encode(shown)
        except Exception as error:  # a value that isn't a number
            self._failures.note(Worker.METRICS, error, "metrics not written")
            body = encode(_Given([each for each in shown.collect() if _can_be_written(encode, each)]))
        if zipped:
            body = gzip.compress(body)
            headers.append(("Content-Encoding", "gzip"))
        page = self._pages[key] = _Page(self._clock() + self._kept_seconds, headers, body)
        self._pages.move_to_end(key)
        while len(self._pages) > _MOST_PAGES:
            self._pages.popitem(last=False)
        return page


class _Shown(Collector):
    """The families of a registry that can be collected; `names`, if any, are those of samples."""

    def __init__(self, registry: CollectorRegistry, failures: Failures, names: Sequence[str]) -> None:
        self._registry = registry
        self._failures = failures
        self._names = names

    def collect(self) -> Iterator[Metric]:
        """Return every family."""
        with self._registry._lock:
            collectors = list(self._registry._collector_to_names)
        for collector in collectors:
            for family in self._collected(collector):
                samples = [each for each in family.samples if not self._names or each.name in self._names]
                if samples or not self._names:
                    family.samples = _Unhurried(samples)
                    yield family

    def _collected(self, collector: Collector) -> list[Metric]:
        found: list[Metric] = []
        try:
            found.extend(collector.collect())
        except Exception as error:  # any error of a collector; families before it are shown
            self._failures.note(Worker.METRICS, error, "metrics not collected", collector=type(collector).__name__)
        return found


class _Given(Collector):
    """Families that are collected already."""

    def __init__(self, families: Sequence[Metric]) -> None:
        self._families = families

    def collect(self) -> Sequence[Metric]:
        """Return every family."""
        return self._families


def _can_be_written(encode: Callable[[Collector], bytes], family: Metric) -> bool:
    try:
        encode(_Given([family]))
    except Exception:  # this is what the check is for
        return False
    return True


class _Unhurried(list[Any]):
    """Samples that are iterated with pauses."""

    def __iter__(self) -> Iterator[Any]:
        for number, sample in enumerate(super().__iter__()):
            if number % _LINES_AT_ONCE == 0:
                time.sleep(0)
            yield sample
