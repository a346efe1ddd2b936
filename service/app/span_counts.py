"""How many spans wait for their receiver, and how many it never got."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from prometheus_client.registry import Collector

from service.core.metrics import CounterFamily, Family, Start

if TYPE_CHECKING:
    from prometheus_client.core import CounterMetricFamily

LEFT_OUT = CounterFamily(
    name="soloist_spans_left_out_total",
    text="Spans that were not sent: their receiver took no more, or not fast enough.",
    start=Start.SERVER,
)
FAMILIES: Final[tuple[Family, ...]] = (LEFT_OUT,)


class SpanCounts(Collector):
    """The counts: spans are added on the event loop, and go on a thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting = self._left_out = 0

    def has_room(self, most: int) -> bool:
        """Count a span as waiting if fewer than `most` do, or else as left out; return whether it waits."""
        with self._lock:
            if self._waiting >= most:
                self._left_out += 1
                return False
            self._waiting += 1
            return True

    def gone(self, spans: int, *, sent: bool) -> None:
        """Count spans that wait no more."""
        with self._lock:
            self._waiting -= spans
            self._left_out += 0 if sent else spans

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Return the metric, as the registry takes it."""
        family = LEFT_OUT.collected()
        family.add_metric([], self._left_out)
        yield family
