"""The frames of a CSV file: one per line, cells with commas, optional column names in the first line. No guessing.

A number is what C writes in decimals ("7", "-.5", "1e-3"), or nan, inf, infinity, in ASCII. Texts that other programs
take for numbers ("1_000", "0x10", "1;2", "1 000") are neither numbers nor column names here.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterable, Iterator

import click

from soloist.integers import LARGEST_INT64

_WHOLE = re.compile(r"[+-]?[0-9]+")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?|[+-]?(nan|inf|infinity)", re.IGNORECASE)
_HEXADECIMAL = re.compile(r"[+-]?0[xX][0-9a-fA-F]+")
_OTHER_SEPARATORS = re.compile(r"[;,|\s]+")
_SHOWN = 40  # characters of a cell


def rows(lines: Iterable[bytes], name: str, *, whole: bool = False) -> Iterator[list[float]]:
    """Yield one row per line as it comes; blank lines do not count. `name` is the file's name for errors.

    With `whole` numbers must be whole.

    Raises:
        click.UsageError: A cell or line is wrong; the text names line and column.

    """
    width: int | None = None
    begun = False
    for number, line in enumerate(lines, 1):
        where = f"{name}, line {number}"
        cells = _cells(line, where, first=number == 1)
        if not cells:
            continue
        if width is not None and len(cells) != width:
            raise click.UsageError(f"{where} has {len(cells)} columns, the lines before it {width}")
        header = width is None and _names_columns(cells)
        width = len(cells)
        if not header:
            begun = True
            yield [_number(cell, f"{where}, column {column}", whole=whole) for column, cell in enumerate(cells, 1)]
    if not begun:
        raise click.UsageError(f"{name}: there is no frame in it")


def _cells(line: bytes, where: str, *, first: bool) -> list[str]:
    try:
        text = line.decode("utf-8-sig" if first else "utf-8").strip("\r\n")
    except UnicodeDecodeError:
        raise click.UsageError(f"{where}: this is not UTF-8 text") from None
    if not text.strip():
        return []
    try:
        return [cell.strip() for cell in next(csv.reader([text], skipinitialspace=True, strict=True))]
    except csv.Error as error:
        raise click.UsageError(f"{where}: {error}") from None


def _names_columns(cells: list[str]) -> bool:
    """Return whether a first line is a header: no cell is like a number, and not all are empty."""
    return any(cells) and not any(_like_a_number(cell) for cell in cells)


def _like_a_number(cell: str) -> bool:
    return any(_parses(part) for part in _OTHER_SEPARATORS.split(cell) if part)


def _parses(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return _HEXADECIMAL.fullmatch(text) is not None
    return True


def _number(cell: str, where: str, *, whole: bool) -> float:
    if whole or _WHOLE.fullmatch(cell):
        if not _WHOLE.fullmatch(cell):
            raise click.UsageError(f"{where}: {_said(cell)} is no whole number, and the model takes tokens")
        if len(cell) <= len(str(LARGEST_INT64)) and abs(int(cell)) <= LARGEST_INT64:
            return int(cell)
        if whole:
            raise click.UsageError(f"{where}: {_said(cell)} is no token")
    if not _NUMBER.fullmatch(cell):
        hint = "; cells are separated by commas" if _like_a_number(cell) else ""
        raise click.UsageError(f"{where}: {_said(cell)} is no number{hint}")
    value = float(cell)
    if math.isinf(value) and "inf" not in cell.lower():
        raise click.UsageError(f"{where}: {_said(cell)} is too large")
    return value


def _said(cell: str) -> str:
    if not cell:
        return "an empty cell"
    return repr(cell if len(cell) <= _SHOWN else cell[:_SHOWN] + "…")
