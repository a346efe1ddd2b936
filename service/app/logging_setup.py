"""The set-up of logging: lines go to standard error, as JSON or for people to read."""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Final

import structlog
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import Processor

from service.app.log_sampling import LogSampling
from service.app.log_writer import LogWriter
from service.core.metrics import CounterFamily, Family, Start
from soloist.json_text import json_text

if TYPE_CHECKING:
    from typing import TextIO

    from structlog.typing import EventDict, ExcInfo, WrappedLogger


def printable(text: str) -> str:
    r"""Escape what can't be printed: control characters, line ends, marks that turn or hide text, as \x1b or \u202e."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _escaped(char) for char in text)


def escape_values(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
    """Make every value printable (a structlog processor)."""
    return {printable(key): _shown(value) if key != "exc_info" else value for key, value in event.items()}


def escaped_traceback(out: TextIO, exc_info: ExcInfo) -> None:
    """Write a plain traceback, indented, so that no line of it can pass for one of the log's."""
    plain = io.StringIO()
    structlog.dev.plain_traceback(plain, exc_info)
    for line in plain.getvalue().strip("\n").split("\n"):
        out.write(f"\n  {printable(line)}")


def _shown(value: object) -> object:
    if value is None or isinstance(value, bool | int | float):
        return value
    return printable(value if isinstance(value, str) else repr(value))


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")


class Why(StrEnum):
    """Why a line was not written: too many of its kind, or stderr was stuck."""

    REPEATED = "repeated"
    STUCK = "stuck"


LEFT_OUT = CounterFamily(
    name="soloist_log_lines_left_out_total",
    text="Log lines that were not written: repeated, or stderr took no more.",
    labels=("why",),
    values=tuple(Why),
    start=Start.SERVER,
)
FAMILIES: Final[tuple[Family, ...]] = (LEFT_OUT,)


@dataclass(frozen=True)
class LogLines:
    """The parts that decide about a line: the sampling, and the writer to stderr."""

    sampling: LogSampling
    writer: LogWriter

    def flush(self, seconds: float) -> bool:
        """Report the lines left out, and wait until all is written; return False if that takes longer."""
        self.sampling.report(everything=True)
        return self.writer.written_within(seconds)


class LeftOut(Collector):
    """The metric of lines that were not written, collected on the thread of a scrape."""

    def __init__(self, logs: LogLines) -> None:
        self._logs = logs

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Return the counts by reason."""
        family = LEFT_OUT.collected()
        family.add_metric((Why.REPEATED,), self._logs.sampling.left_out)
        family.add_metric((Why.STUCK,), self._logs.writer.left_out)
        yield family


def configure_logging(*, level: str, form: str, process: int = 0) -> LogLines:
    """Set up logging for the whole process. Our lines (structlog) and those of libraries (logging) look the same.

    Args:
        level: the lowest level that is written, as in the standard library ("info").
        form: "json", one object per line, or "console".
        process: which process of several writes, as each line then says; 0 if there is one.

    """
    sampling = LogSampling()
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        *([partial(_add_process, process)] if process else []),
    ]
    render: list[Processor] = (
        # Without the values of variables, which callers sent.
        [_tracebacks(), structlog.processors.JSONRenderer(serializer=json_text)]
        if form == "json"
        # Tracebacks of rich span pages, too long for a log.
        else [
            escape_values,
            structlog.dev.ConsoleRenderer(
                exception_formatter=escaped_traceback, pad_event_to=0, colors=sys.stderr.isatty()
            ),
        ]
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render],
    )
    handler = LogWriter(sys.stderr, tick=sampling.report)
    handler.setFormatter(formatter)
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            sampling,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    return LogLines(sampling, handler)


def _add_process(process: int, _logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
    event.setdefault("process", process)
    return event


def _tracebacks() -> Processor:
    return structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False))
