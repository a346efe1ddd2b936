"""The input of commands: frames from a file or a pipe, whole or as they come, and auxiliary inputs from files.

Frames are .npy, .csv (one frame per line) or text (one token per byte). Nothing is ever unpickled.
"""

from __future__ import annotations

import enum
import io
import itertools
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

import click

from soloist.cli.csv_frames import rows
from soloist.cli.parameter_types import UTF8

if TYPE_CHECKING:
    import numpy as np

    from soloist.client.frames import Frames
    from soloist.v1 import model_pb2

_F = TypeVar("_F", bound=Callable[..., Any])

_NPY_MAGIC = b"\x93NUMPY"


class Form(enum.StrEnum):
    """The format of frames."""

    NPY = "npy"
    CSV = "csv"
    TEXT = "text"


_SUFFIXES = {".npy": Form.NPY, ".csv": Form.CSV, ".txt": Form.TEXT}


def form_of(source: BinaryIO, chosen: str | None, signature: model_pb2.Signature | None) -> Form:
    """Return the format: as chosen, or by the file's name or first bytes, or text if the model reads text."""
    reads_text = signature is not None and bool(signature.text_encoding)
    form = Form(chosen) if chosen is not None else _guess(source, reads_text=reads_text)
    if form is Form.TEXT and not reads_text:
        raise click.UsageError("this model takes numbers, not text: give a .npy or .csv file (or --format)")
    return form


def read_whole(source: BinaryIO, form: Form, signature: model_pb2.Signature | None) -> Frames:
    """Read one sequence to its end. One line feed at the end of a text belongs to the pipe, not to the text."""
    if form is Form.NPY:
        return _read_npy(source)
    if form is Form.CSV:
        return _frames(list(_rows(source, signature)), signature)
    return source.read().removesuffix(b"\n")


def read_chunks(
    source: BinaryIO, form: Form, chunk_frames: int, signature: model_pb2.Signature | None
) -> Iterator[Frames]:
    """Yield one sequence in chunks of at most `chunk_frames`, each once it is complete; a text at every line too."""
    if form is Form.NPY:
        array = _read_npy(source)
        yield from (array[at : at + chunk_frames] for at in range(0, len(array), chunk_frames))
    elif form is Form.CSV:
        frames = _rows(source, signature)
        while chunk := list(itertools.islice(frames, chunk_frames)):
            yield _frames(chunk, signature)
    else:
        yield from _text_chunks(source, chunk_frames)


def auxiliary_inputs_option(command: _F) -> _F:
    """Add --input to a command; it gets `inputs`, arrays by name."""
    text = "An auxiliary input: an array of exactly the model's type; may be given again."
    option = click.option("--input", "inputs", metavar="NAME=FILE.npy", multiple=True, callback=_read_inputs, help=text)
    return option(command)


def _guess(source: BinaryIO, *, reads_text: bool) -> Form:
    suffix = Path(str(getattr(source, "name", ""))).suffix.lower()
    if suffix in _SUFFIXES:
        return _SUFFIXES[suffix]
    if isinstance(source, io.BufferedReader) and source.peek(len(_NPY_MAGIC)).startswith(_NPY_MAGIC):
        return Form.NPY
    return Form.TEXT if reads_text else Form.CSV


def _read_npy(source: BinaryIO) -> np.ndarray[Any, Any]:
    try:
        array = _array_of(source.read())
    except ValueError as error:
        raise click.UsageError(f"{_name(source)}: {error}") from error
    if array.ndim == 0:
        raise click.UsageError(f"{_name(source)}: it must hold one array: [time, feature] or [time]")
    return array


def _rows(source: BinaryIO, signature: model_pb2.Signature | None) -> Iterator[list[float]]:
    return rows(source, _name(source), whole=signature is not None and signature.token_count > 0)


def _name(source: BinaryIO) -> str:
    name = getattr(source, "name", None)
    return name if isinstance(name, str) and name not in ("-", "<stdin>") else "standard input"


def _frames(read: list[list[float]], signature: model_pb2.Signature | None) -> Frames:
    if signature is not None and signature.token_count:
        return [token for row in read for token in row]
    return read


def _text_chunks(lines: Iterable[bytes], chunk_frames: int) -> Iterator[bytes]:
    for number, line in enumerate(lines):
        # A line feed belongs to the text only if another line follows, so that the pieces add up to what read_whole
        # returns.
        text = (b"\n" if number else b"") + line.removesuffix(b"\n")
        yield from (text[at : at + chunk_frames] for at in range(0, len(text), chunk_frames))


def _read_inputs(
    context: click.Context, parameter: click.Parameter, given: Sequence[str]
) -> dict[str, np.ndarray[Any, Any]]:
    found: dict[str, np.ndarray[Any, Any]] = {}
    for each in given:
        name, equals, file = each.partition("=")
        UTF8.convert(name, parameter, context)
        if not (name and equals) or name in found:
            raise click.BadParameter(f"{each!r} is not NAME=FILE.npy, or the name is repeated")
        try:
            found[name] = _array_of(Path(file).read_bytes())
        except (OSError, ValueError) as error:
            raise click.BadParameter(f"{file}: {error}") from error
    return found


def _array_of(content: bytes) -> np.ndarray[Any, Any]:
    """Return the array of a .npy file.

    Raises:
        ValueError: It doesn't hold numbers; the text has the cause.

    """
    import numpy as np

    try:
        array = np.load(io.BytesIO(content), allow_pickle=False)  # numpy seeks, which a pipe can't
    except (ValueError, TypeError, EOFError, OSError, OverflowError, MemoryError, zipfile.BadZipFile) as error:
        raise ValueError(f"not a .npy file of numbers: {error}") from error
    if not isinstance(array, np.ndarray):
        raise ValueError("it must hold one array")  # one kind of error for any content of a file
    if array.dtype.kind not in "biuf":
        raise ValueError(f"it holds {array.dtype}, which are not numbers that a model takes")
    return array
