"""The writer of log lines, on a thread of its own: a reader of stderr that has stopped or gone delays nothing else."""

from __future__ import annotations

import io
import logging
import os
import select
import threading
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import TextIO

_MAX_WAITING_BYTES = 4 * 2**20
# Other processes of the server may write to the same pipe, and up to so many bytes don't mix.
_AT_ONCE_BYTES = select.PIPE_BUF
_TICK_SECONDS = 1.0
_CLOSE_SECONDS = 1.0


class LogWriter(logging.Handler):
    """A handler of `logging`. Lines that have no room, or can't be written, are left out and counted."""

    def __init__(
        self, stream: TextIO, *, max_waiting_bytes: int = _MAX_WAITING_BYTES, tick: Callable[[], None] = lambda: None
    ) -> None:
        """Create the handler, and start its thread.

        Args:
            stream: where lines are written.
            max_waiting_bytes: how many bytes may wait.
            tick: called every second on the writing thread.

        """
        super().__init__()
        self.left_out = 0
        self._stream = stream
        self._encoding = getattr(stream, "encoding", None) or "utf-8"
        self._descriptor = _descriptor(stream)
        self._max_waiting_bytes = max_waiting_bytes
        self._tick = tick
        self._lines: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._changed = threading.Condition()
        threading.Thread(target=self._work, name="soloist-log", daemon=True).start()

    def emit(self, record: logging.LogRecord) -> None:
        """Add one line; never waits."""
        try:
            # The encoding may be ASCII (locale C), and callers may send text that isn't Unicode.
            line = f"{self.format(record)}\n".encode(self._encoding, "backslashreplace")
        except Exception:  # a value can't be formatted; other lines can
            self.left_out += 1
            return
        with self._changed:
            if self._waiting_bytes + len(line) > self._max_waiting_bytes:
                self.left_out += 1
                return
            self._lines.append(line)
            self._waiting_bytes += len(line)
            self._changed.notify_all()

    def flush(self) -> None:
        """Wait until all is written, a second at most."""
        self.written_within(_CLOSE_SECONDS)

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
                self._put(b"".join(some), len(some))
            self._tick()

    def _take(self) -> list[bytes]:
        some: list[bytes] = []
        size = 0
        while self._lines and (not some or size + len(self._lines[0]) <= _AT_ONCE_BYTES):
            some.append(self._lines.popleft())
            size += len(some[-1])
        return some

    def _put(self, text: bytes, lines: int) -> None:
        try:
            if self._descriptor is None:
                self._stream.write(text.decode(self._encoding, "replace"))
                self._stream.flush()
            else:
                _write(self._descriptor, text)
        except (OSError, ValueError):  # no reader, the terminal has gone, the disk is full
            self.left_out += lines
        with self._changed:
            self._waiting_bytes -= len(text)
            self._changed.notify_all()


def _descriptor(stream: TextIO) -> int | None:
    try:
        return stream.fileno()
    except (AttributeError, OSError, io.UnsupportedOperation):
        return None


def _write(descriptor: int, text: bytes) -> None:
    # Not through the stream: while it waits it holds a lock that other writers to stderr need.
    rest = memoryview(text)
    while rest:
        try:
            rest = rest[os.write(descriptor, rest) :]
        except BlockingIOError:  # another program has made the pipe non-blocking
            select.select([], [descriptor], [], _TICK_SECONDS)
