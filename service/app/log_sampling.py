"""The sampling of log lines about callers: lines of one kind and peer are written up to a number, the rest counted."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import structlog
from structlog.typing import EventDict, WrappedLogger

_log = structlog.get_logger("soloist.log")
_MOST_REPORTED = "lines left out"
_OTHERS = "others"


class _Kind(NamedTuple):
    """The kind of a line: level, event, peer without its port, and reason."""

    level: str
    event: str
    peer: str
    reason: str


@dataclass(slots=True)
class _Window:
    ends: float
    written: int = 0
    left_out: int = 0


class LogSampling:
    """A structlog processor: lines with a `peer` are sampled, all others pass. May be called on any thread."""

    def __init__(
        self,
        *,
        lines: int = 10,
        all_lines: int = 500,
        window_seconds: float = 10.0,
        max_kinds: int = 256,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Create the processor.

        Args:
            lines: how many lines of one kind are written in a window.
            all_lines: how many lines of all kinds are written in a window.
            window_seconds: the length of a window.
            max_kinds: how many kinds are counted separately.
            clock: returns seconds.

        """
        self.left_out = 0
        self._lines = lines
        self._all_lines = all_lines
        self._window_seconds = window_seconds
        self._max_kinds = max_kinds
        self._clock = clock
        self._lock = threading.RLock()
        self._windows: OrderedDict[_Kind, _Window] = OrderedDict()
        self._all = _Window(ends=0.0)
        self._unreported: list[tuple[_Kind, int]] = []

    def __call__(self, _logger: WrappedLogger, level: str, event: EventDict) -> EventDict:
        """Return a line, or drop it."""
        peer = event.get("peer")
        if isinstance(peer, str) and event.get("event") != _MOST_REPORTED:
            reason = str(event.get("reason") or event.get("code", ""))
            if not self._takes(_Kind(level, str(event.get("event")), host_of(peer), reason)):
                raise structlog.DropEvent
        return event

    def report(self, *, everything: bool = False) -> None:
        """Log how many lines were left out in the windows that have ended, or in all; called now and then."""
        with self._lock:
            now = self._clock()
            for kind in [kind for kind, window in self._windows.items() if everything or now >= window.ends]:
                self._end(kind)
            untold, self._unreported = self._unreported, []
        for kind, count in untold:
            getattr(_log, kind.level)(_MOST_REPORTED, what=kind.event, peer=kind.peer, reason=kind.reason, lines=count)

    def _takes(self, kind: _Kind) -> bool:
        with self._lock:
            now = self._clock()
            if now >= self._all.ends:
                self._all = _Window(ends=now + self._window_seconds)
            window = self._windows.get(kind)
            if window is not None and now >= window.ends:
                self._end(kind)
                window = None
            if window is None:
                if len(self._windows) >= self._max_kinds:
                    self._end(next(iter(self._windows)), reported_as=_OTHERS)
                window = self._windows[kind] = _Window(ends=now + self._window_seconds)
            takes = window.written < self._lines and self._all.written < self._all_lines
            if takes:
                window.written += 1
                self._all.written += 1
            else:
                window.left_out += 1
                self.left_out += 1
            return takes

    def _end(self, kind: _Kind, reported_as: str = "") -> None:
        left_out = self._windows.pop(kind).left_out
        if not left_out:
            return
        report_kind = kind._replace(peer=reported_as) if reported_as else kind
        if self._unreported and self._unreported[-1][0] == report_kind:
            left_out += self._unreported.pop()[1]
        self._unreported.append((report_kind, left_out))
        if len(self._unreported) > self._max_kinds:
            (first, one), (_, other) = self._unreported[0], self._unreported.pop(1)
            self._unreported[0] = (_Kind(first.level, _OTHERS, _OTHERS, _OTHERS), one + other)


def host_of(peer: str) -> str:
    """Return a gRPC peer without its port, which differs between connections: "ipv4:10.0.0.7"."""
    host, colon, port = peer.rpartition(":")
    return host if colon and port.isdigit() and ":" in host else peer
