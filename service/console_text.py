"""Shows text that callers chose to a person: nothing in it moves the cursor, starts a line or turns the writing."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from typing import TextIO

    from structlog.typing import EventDict, ExcInfo, WrappedLogger


def printable(text: str) -> str:
    r"""Escape what isn't printed: control characters, line ends, marks that turn or hide text, as \x1b or \u202e."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _escaped(char) for char in text)


def escape_values(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
    """Make every value printable (a processor of structlog)."""
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
