"""The metrics page: built on one thread, cached for a while, with everything that can be collected.

Building a page takes the interpreter's lock, which answers need, too. So a scraper that asks meanwhile waits and gets
the same bytes, and the thread pauses between some of the lines. Sending pages takes time as well, so they follow each
other at a distance, which a scraper that comes every few seconds doesn't notice.
"""

from __future__ import annotations

import asyncio
import gzip
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qs

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.exposition import choose_encoder, gzip_accepted
from prometheus_client.registry import Collector

from service.core.failures import Worker
from service.processes.reports import encoded

if TYPE_CHECKING:
    from service.core.failures import Failures
    from service.core.metrics import Merge

# Cached pages: by encoding, and by the names that a scraper asks for.
_MOST_PAGES = 8
_LINES_AT_ONCE = 100
_PAUSE_SECONDS = 0.01
_PAUSE_SECONDS_PER_BYTE = 1 / 50e6


class _Page(NamedTuple):
    until: float
    headers: Mapping[str, str]
    body: bytes


class MetricsPage:
    """The page, for any number of scrapers."""

    def __init__(
        self,
        registry: CollectorRegistry,
        failures: Failures,
        thread: Executor,
        *,
        kept_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Create it with no page cached.

        Args:
            registry: the metrics.
            failures: where failures of collectors are counted.
            thread: builds pages, one at a time.
            kept_seconds: how long a page is cached.
            clock: returns seconds.

        """
        self._registry = registry
        self._failures = failures
        self._thread = thread
        self._kept_seconds = kept_seconds
        self._clock = clock
        self._free_at = 0.0
        self._pages: OrderedDict[tuple[object, ...], _Page] = OrderedDict()

    async def fetch(self, accept: str, accept_encoding: str, query: str) -> tuple[Mapping[str, str], bytes]:
        """Return headers and bytes of the page, for these headers and this query of a request."""
        asked = accept, accept_encoding, query
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._fetch, *asked)

    async def report(self, merges: Mapping[str, Merge]) -> bytes:
        """Return all metrics as the supervisor of several processes takes them (service.processes.reports)."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._report, merges)

    def _report(self, merges: Mapping[str, Merge]) -> bytes:
        return encoded(_Shown(self._registry, self._failures, ()).collect(), merges)

    def _fetch(self, accept: str, accept_encoding: str, query: str) -> tuple[Mapping[str, str], bytes]:
        time.sleep(max(0.0, self._free_at - time.monotonic()))
        names = parse_qs(query).get("name[]", [])
        page = self._page(accept, zipped=gzip_accepted(accept_encoding), names=names)
        self._free_at = time.monotonic() + _PAUSE_SECONDS + len(page.body) * _PAUSE_SECONDS_PER_BYTE
        return page.headers, page.body

    def _page(self, accept: str, *, zipped: bool, names: Sequence[str]) -> _Page:
        encode, content_type = choose_encoder(accept)
        key = (content_type, zipped, frozenset(names))
        page = self._pages.get(key)
        if page is not None and self._clock() < page.until:
            return page
        headers = {"content-type": content_type}
        shown = _Shown(self._registry, self._failures, names)
        try:
            body = encode(shown)
        except Exception as error:  # a value that isn't a number
            self._failures.note(Worker.METRICS, error, "metrics not written")
            body = encode(_Given([each for each in shown.collect() if _can_be_written(encode, each)]))
        if zipped:
            body = gzip.compress(body)
            headers["content-encoding"] = "gzip"
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
