"""The writer of lines on a thread of its own: a reader or a disk that has stopped or gone delays nothing else."""

from __future__ import annotations

import os
import select
import threading
from collections import deque
from collections.abc import Callable

_MAX_WAITING_BYTES = 4 * 2**20
# Other processes of the server may write to the same pipe, and up to so many bytes don't mix.
_AT_ONCE_BYTES = select.PIPE_BUF
_TICK_SECONDS = 1.0


class LineWriter:
    """A bounded queue of lines, and the thread that writes them. What has no room is left out and counted."""

    def __init__(
        self,
        put: Callable[[bytes], object],
        *,
        name: str,
        max_waiting_bytes: int = _MAX_WAITING_BYTES,
        tick: Callable[[], object] = lambda: None,
    ) -> None:
        """Create the writer, and start its thread.

        Args:
            put: writes whole lines; may wait, and raises OSError or ValueError if it can't.
            name: that of the thread.
            max_waiting_bytes: how many bytes may wait.
            tick: called every second on the writing thread.

        """
        self.left_out = 0
        self._put = put
        self._max_waiting_bytes = max_waiting_bytes
        self._tick = tick
        self._lines: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._changed = threading.Condition()
        threading.Thread(target=self._work, name=name, daemon=True).start()

    def add(self, line: bytes) -> None:
        """Add one line, with its end; never waits."""
        with self._changed:
            if self._waiting_bytes + len(line) > self._max_waiting_bytes:
                self.left_out += 1
                return
            self._lines.append(line)
            self._waiting_bytes += len(line)
            self._changed.notify_all()

    def written_within(self, seconds: float) -> bool:
        """Wait until all is written; return False if that takes longer."""
        if not self._changed.acquire(timeout=seconds):
            return False
        try:
            return self._changed.wait_for(lambda: not self._waiting_bytes, seconds)
        finally:
            self._changed.release()

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._lines, _TICK_SECONDS)
                some = self._take()
            if some:
                self._write(b"".join(some), len(some))
            self._tick()

    def _take(self) -> list[bytes]:
        some: list[bytes] = []
        size = 0
        while self._lines and (not some or size + len(self._lines[0]) <= _AT_ONCE_BYTES):
            some.append(self._lines.popleft())
            size += len(some[-1])
        return some

    def _write(self, text: bytes, lines: int) -> None:
        try:
            self._put(text)
        except (OSError, ValueError):  # no reader, the terminal has gone, the disk is full
            self.left_out += lines
        with self._changed:
            self._waiting_bytes -= len(text)
            self._changed.notify_all()


def write_all(descriptor: int, text: bytes) -> None:
    """Write all of a text to a descriptor. Raises OSError."""
    # Not through a stream: while it waits it holds a lock that other writers need.
    rest = memoryview(text)
    while rest:
        try:
            rest = rest[os.write(descriptor, rest) :]
        except BlockingIOError:  # another program has made the pipe non-blocking
            select.select([], [descriptor], [], _TICK_SECONDS)
