"""Frames from a file or a pipe: .npy, .csv (a frame a line) or text (a token a byte), whole or as they come."""

from __future__ import annotations

import enum
import io
import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

if TYPE_CHECKING:
    import numpy as np

    from soloist.client.frames import Frames
    from soloist.v1 import model_pb2

_NPY_MAGIC = b"\x93NUMPY"


class Form(enum.StrEnum):
    """How frames are written down."""

    NPY = "npy"
    CSV = "csv"
    TEXT = "text"


_SUFFIXES = {".npy": Form.NPY, ".csv": Form.CSV, ".txt": Form.TEXT}


def form_of(source: BinaryIO, chosen: str | None, signature: model_pb2.Signature | None) -> Form:
    """Tell the form: as chosen, else by the file's name or first bytes, else text where the model reads text."""
    reads_text = signature is not None and bool(signature.text_encoding)
    form = Form(chosen) if chosen is not None else _guess(source, reads_text=reads_text)
    if form is Form.TEXT and not reads_text:
        raise click.UsageError("this model takes numbers, not text: give a .npy or .csv file (or --format)")
    return form


def read_whole(source: BinaryIO, form: Form, signature: model_pb2.Signature | None) -> Frames:
    """Read one sequence to its end. One line feed at the end of a text is the pipe's, not the text's."""
    if form is Form.NPY:
        return _read_npy(source)
    if form is Form.CSV:
        return _frames(list(_rows(source)), signature)
    return source.read().removesuffix(b"\n")


def read_chunks(
    source: BinaryIO, form: Form, chunk_frames: int, signature: model_pb2.Signature | None
) -> Iterator[Frames]:
    """Read one sequence in chunks of at most `chunk_frames`, each as soon as it is there; a text also at every line."""
    if form is Form.NPY:
        array = _read_npy(source)
        yield from (array[at : at + chunk_frames] for at in range(0, len(array), chunk_frames))
    elif form is Form.CSV:
        rows = _rows(source)
        while chunk := list(itertools.islice(rows, chunk_frames)):
            yield _frames(chunk, signature)
    else:
        yield from _text_chunks(source, chunk_frames)


def _guess(source: BinaryIO, *, reads_text: bool) -> Form:
    suffix = Path(str(getattr(source, "name", ""))).suffix.lower()
    if suffix in _SUFFIXES:
        return _SUFFIXES[suffix]
    if isinstance(source, io.BufferedReader) and source.peek(len(_NPY_MAGIC)).startswith(_NPY_MAGIC):
        return Form.NPY
    return Form.TEXT if reads_text else Form.CSV


def _read_npy(source: BinaryIO) -> np.ndarray[Any, Any]:
    import numpy as np

    try:
        array = np.load(io.BytesIO(source.read()), allow_pickle=False)  # numpy seeks, and a pipe cannot
    except (ValueError, EOFError) as error:
        raise click.UsageError(f"not a .npy file of numbers: {error}") from error
    if not isinstance(array, np.ndarray) or array.ndim == 0:
        raise click.UsageError("the .npy file must hold one array: [time, feature] or [time]")
    return array


def _rows(lines: Iterable[bytes]) -> Iterator[list[float]]:
    """Parse a frame a line; the first line may name the columns, blank lines do not count."""
    width: int | None = None
    for number, line in enumerate(lines, 1):
        cells = line.decode("utf-8-sig", "replace").strip()
        if not cells:
            continue
        row = _numbers(cells.split(","))
        if row is None and number == 1:
            continue
        if row is None:
            raise click.UsageError(f"line {number} is not numbers separated by commas: {cells[:60]}")
        width = len(row) if width is None else width
        if len(row) != width:
            raise click.UsageError(f"line {number} has {len(row)} columns, the lines before it {width}")
        yield row


def _numbers(cells: list[str]) -> list[float] | None:
    try:
        return [int(cell) if cell.strip().lstrip("+-").isdecimal() else float(cell) for cell in cells]
    except ValueError:
        return None


def _frames(rows: list[list[float]], signature: model_pb2.Signature | None) -> Frames:
    if signature is not None and signature.token_count:
        return [token for row in rows for token in row]
    return rows


def _text_chunks(lines: Iterable[bytes], chunk_frames: int) -> Iterator[bytes]:
    for number, line in enumerate(lines):
        # A line feed belongs to the text only once another line follows: the pieces add up to what read_whole gives.
        text = (b"\n" if number else b"") + line.removesuffix(b"\n")
        yield from (text[at : at + chunk_frames] for at in range(0, len(text), chunk_frames))
