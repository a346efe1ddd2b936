"""The handler of `logging` that hands lines to the thread that writes them."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from service.app.line_writer import LineWriter, write_all

if TYPE_CHECKING:
    from typing import TextIO

_CLOSE_SECONDS = 1.0


class LogWriter(logging.Handler):
    """A handler of `logging`. Lines that have no room, or can't be written, are left out and counted."""

    def __init__(self, stream: TextIO, *, tick: Callable[[], None] = lambda: None) -> None:
        """Create the handler, and start its thread.

        Args:
            stream: where lines are written.
            tick: called every second on the writing thread.

        """
        super().__init__()
        self._not_formatted = 0
        self._stream = stream
        self._encoding = getattr(stream, "encoding", None) or "utf-8"
        self._descriptor = _descriptor(stream)
        self._writer = LineWriter(self._put, name="soloist-log", tick=tick)

    @property
    def left_out(self) -> int:
        """Return how many lines were not written."""
        return self._not_formatted + self._writer.left_out

    def emit(self, record: logging.LogRecord) -> None:
        """Add one line; never waits."""
        try:
            # The encoding may be ASCII (locale C), and callers may send text that isn't Unicode.
            line = f"{self.format(record)}\n".encode(self._encoding, "backslashreplace")
        except Exception:  # a value can't be formatted; other lines can
            self._not_formatted += 1
            return
        self._writer.add(line)

    def flush(self) -> None:
        """Wait until all is written, a second at most."""
        self.written_within(_CLOSE_SECONDS)

    def written_within(self, seconds: float) -> bool:
        """Wait until all is written; return False if that takes longer."""
        return self._writer.written_within(seconds)

    def _put(self, text: bytes) -> None:
        if self._descriptor is None:
            self._stream.write(text.decode(self._encoding, "replace"))
            self._stream.flush()
        else:
            write_all(self._descriptor, text)


def _descriptor(stream: TextIO) -> int | None:
    try:
        return stream.fileno()
    except (AttributeError, OSError, io.UnsupportedOperation):
        return None
