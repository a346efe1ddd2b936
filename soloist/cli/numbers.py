"""Numbers with commas between them, as the value of an option."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import click

_Number = TypeVar("_Number", int, float)


def ints(text: str) -> tuple[int, ...]:
    """Take "1,7,31" apart; what is none is wrong usage."""
    return _numbers(text, int)


def floats(text: str) -> tuple[float, ...]:
    """Take "1,2.5" apart; what is none is wrong usage."""
    return _numbers(text, float)


def _numbers(text: str, kind: Callable[[str], _Number]) -> tuple[_Number, ...]:
    try:
        return tuple(kind(part) for part in text.split(","))
    except ValueError:
        raise click.BadParameter(f"{text!r} is no list of numbers such as 1,7,31") from None
