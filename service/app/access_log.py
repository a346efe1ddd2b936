"""The access log: one JSON line a call, written on a thread of its own; never frames, outputs or metadata."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import orjson
from prometheus_client.metrics_core import CounterMetricFamily
from prometheus_client.registry import Collector

from service.app.line_writer import LineWriter, write_all
from service.core.metrics import CounterFamily, Family, Start

if TYPE_CHECKING:
    from service.serving.batcher import Answer
    from service.serving.call import Call

STDOUT = Path("-")
_MODE = 0o640
_OPENED = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOCTTY
_NONE = -1
_FLUSH_SECONDS = 0.2

LEFT_OUT = CounterFamily(
    name="soloist_access_log_lines_left_out_total",
    text="Lines of the access log that were not written: its file took no more, or not fast enough.",
    start=Start.SERVER,
)
FAMILIES: Final[tuple[Family, ...]] = (LEFT_OUT,)


class AccessLog(Collector):
    """A line for every call that ends (service.serving.recorder.CallObserver), and the count of those left out."""

    def __init__(self, path: Path, *, process: int = 0) -> None:
        """Open the file, or standard output for "-".

        Args:
            path: the file; it is opened again when it was renamed or deleted.
            process: which process of several writes, as each line then says; 0 if there is one.

        Raises:
            OSError: the file can't be opened.

        """
        self._process: Mapping[str, int] = {"process": process} if process else {}
        put = _to_stdout if path == STDOUT else _Rotated(path).put
        self._writer = LineWriter(put, name="soloist-access-log")

    def answered(
        self,
        call: Call,
        answers: Sequence[Answer],
        *,
        seconds: float,
        decode_seconds: float,
        encode_seconds: float,
    ) -> None:
        """Do nothing: a line is about a whole call."""

    def ended(self, call: Call, code: str, seconds: float) -> None:
        """Add the line of a call."""
        line = {
            "time": datetime.fromtimestamp(time.time(), UTC).isoformat(timespec="milliseconds"),
            "api": call.api,
            "route": call.route,
            "model": call.model,
            "version": call.version,
            "code": code,
            "reason": call.reason,
            "seconds": round(seconds, 6),
            "frames": call.frame_count,
            "peer": call.peer,
            "session_id": call.session_id,
            **self._process,
        }
        # What is empty is left out: most calls have no reason, no session and no route.
        self._writer.add(orjson.dumps({name: value for name, value in line.items() if value != ""}) + b"\n")

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Return the count of lines that were left out."""
        family = LEFT_OUT.collected()
        family.add_metric((), self._writer.left_out)
        yield family

    def flush(self) -> None:
        """Wait until all is written, for a moment at most."""
        self._writer.written_within(_FLUSH_SECONDS)


def _to_stdout(text: bytes) -> None:
    write_all(sys.stdout.fileno(), text)


class _Rotated:
    """A file that others may rename or delete. Belongs to the thread that writes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = os.open(path, _OPENED, _MODE)

    def put(self, text: bytes) -> None:
        """Append lines. Raises OSError."""
        if not self._is_there():
            before, self._descriptor = self._descriptor, _NONE  # it is tried again with the next lines if it fails now
            if before != _NONE:
                os.close(before)
            self._descriptor = os.open(self._path, _OPENED, _MODE)
        write_all(self._descriptor, text)

    def _is_there(self) -> bool:
        """Return whether the open file is still the one of that name."""
        try:
            named, opened = self._path.stat(), os.fstat(self._descriptor)
        except OSError:
            return False
        return os.path.samestat(named, opened)
