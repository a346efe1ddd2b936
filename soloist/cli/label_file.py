"""The labels of a file or a pipe: CSV with a header, or JSON Lines; read as they come."""

from __future__ import annotations

import csv
import itertools
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TextIO

import click

from soloist.integers import LARGEST_INT32, LARGEST_INT64

if TYPE_CHECKING:
    from soloist.client import Label

_WHOLE = re.compile(r"\s*[+-]?[0-9]+\s*")
_FIELDS = {"prediction_id", "label", "class_index", "step", "event_time"}


def read_labels(source: TextIO) -> Iterator[Label]:
    """Yield labels; an input that begins with "{" is JSON Lines. A bad line is a usage error with its number."""
    try:
        yield from _labels(source)
    except (UnicodeDecodeError, csv.Error) as error:
        raise click.UsageError(f"{source.name}: {error}") from error


def _labels(source: TextIO) -> Iterator[Label]:
    first = next((line for line in source if line.strip()), "")
    lines = itertools.chain([first], source)
    for number, fields in _objects(lines) if first.lstrip().startswith("{") else _rows(lines):
        try:
            yield _label(fields)
        except (ValueError, TypeError, OverflowError) as error:
            raise click.UsageError(f"label {number} of {source.name}: {error}") from error


def _objects(lines: Iterable[str]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for number, line in enumerate((line for line in lines if line.strip()), 1):
        try:
            found = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise click.UsageError(f"label {number} is not JSON: {error}") from error
        yield number, found if isinstance(found, dict) else {}


def _rows(lines: Iterable[str]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    reader = csv.DictReader(lines, skipinitialspace=True)
    columns = set(reader.fieldnames or ())
    if "prediction_id" not in columns or not columns & {"label", "class_index"}:
        raise click.UsageError("the first line must name the columns: prediction_id, and label or class_index")
    names = [name for name in reader.fieldnames or () if name in _FIELDS]
    if len(names) != len(set(names)):
        raise click.UsageError("the first line names a column twice")
    for number, row in enumerate(reader, 1):
        if None in row:
            raise click.UsageError(f"label {number} has more cells than the first line names")
        # An empty or missing cell is left out.
        yield number, {name: cell for name, cell in row.items() if cell and name in _FIELDS}


def _label(fields: Mapping[str, Any]) -> Label:
    from soloist.client import Label

    if not isinstance(fields.get("prediction_id"), str):
        raise ValueError("there is no prediction_id")  # one kind of error for any content of a file
    name, index = fields.get("label"), fields.get("class_index")
    for text in (fields["prediction_id"], name):
        if isinstance(text, str):
            text.encode()  # JSON has escapes of half a character
    if (name is None) == (index is None):
        raise ValueError("it needs either a label or a class_index")
    return Label(
        prediction_id=fields["prediction_id"],
        label=name if isinstance(name, str) else _whole(name if index is None else index, LARGEST_INT32),
        step=_whole(fields["step"], LARGEST_INT64) if fields.get("step") is not None else None,
        event_time=_time(fields["event_time"]) if fields.get("event_time") is not None else None,
    )


def _whole(value: object, largest: int) -> int:
    if isinstance(value, bool | float):
        raise ValueError(f"{value!r} is no whole number")  # likewise
    if not _WHOLE.fullmatch(str(value)):
        raise ValueError(f"{value!r} is no whole number")
    found = int(str(value))
    if abs(found) > largest:
        raise ValueError(f"{value!r} is out of range")
    return found


def _time(value: object) -> datetime:
    """Parse ISO 8601, or seconds since 1970."""
    try:
        return datetime.fromtimestamp(float(str(value)), UTC)
    except ValueError:
        # In UTC, so that a time that has none is an error of this line.
        return datetime.fromisoformat(str(value)).astimezone(UTC)
