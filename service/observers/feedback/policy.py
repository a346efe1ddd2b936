"""The settings of the prediction log: its path, what it keeps, and how late it may be."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

_UNIT_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
WINDOWS = r"^[1-9][0-9]*[smhd](,[1-9][0-9]*[smhd])*$"


class Window(NamedTuple):
    """The last `seconds` seconds, with a name: "5m"."""

    name: str
    seconds: int


@dataclass(frozen=True, kw_only=True)
class LogPolicy:
    """Where predictions are stored, and for how long.

    `flush_seconds` is how often answers are written: what a SIGKILL may cost. At most `max_queued` answers and
    `max_queued_bytes` of outputs wait in memory. A label without an answer in the log waits for one younger than
    `pending_seconds`; at most `max_pending` wait, and `max_pending_per_client` of those that
    came to one process from one client. The log holds at most `max_labels_per_client` that one client has reported.
    If an answer has several outputs, the classes of the last `max_frames` frames are stored.
    """

    path: Path
    flush_seconds: float = 0.5
    max_queued: int = 10_000
    max_queued_bytes: int = 64 * 2**20
    max_age_seconds: float = 604_800.0
    max_rows: int = 1_000_000
    pending_seconds: float = 60.0
    max_pending: int = 100_000
    max_pending_per_client: int = 50_000
    max_labels_per_client: int = 4_000_000
    max_frames: int = 4096
    windows: tuple[Window, ...] = (Window("5m", 300), Window("1h", 3600), Window("1d", 86_400))

    @property
    def longest_window_seconds(self) -> int:
        """Return the length of the longest window."""
        return max(window.seconds for window in self.windows)


def parse_windows(text: str) -> tuple[Window, ...]:
    """Parse "5m,1h,1d", shortest first. Raises ValueError for a text that doesn't match WINDOWS."""
    if not re.match(WINDOWS, text):
        raise ValueError(f"{text!r} names no windows such as 5m,1h,1d")
    found = {Window(part, int(part[:-1]) * _UNIT_SECONDS[part[-1]]) for part in text.split(",")}
    return tuple(sorted(found, key=lambda window: window.seconds))
