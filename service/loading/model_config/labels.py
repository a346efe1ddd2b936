"""Names of the classes of the first output: a text file beside config.pbtxt, a line each."""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING

from service.core.files import MOST_TEXT_BYTES, read_regular
from service.loading.manifest import ManifestError
from service.loading.model_config.file import FILE, is_file_name

if TYPE_CHECKING:
    from pathlib import Path

    from service.loading.model_config.tensor import Tensor


class UndecodableError(ValueError):
    """A line isn't UTF-8; the text says which."""


def lines_of(content: bytes) -> list[str]:
    """Split a text at LF, and keep every line byte for byte, but for one CR at its end and a byte order mark at first.

    A space, and what Unicode calls a line's end, may be a class of its own: dictionaries of letters have them.

    Raises:
        UndecodableError: a line isn't UTF-8.

    """
    lines = content.removeprefix(codecs.BOM_UTF8).split(b"\n")
    if not lines[-1]:
        lines.pop()  # behind the last LF there is no further line
    found = []
    for number, line in enumerate(lines, 1):
        try:
            found.append(line.removesuffix(b"\r").decode())
        except UnicodeDecodeError as error:
            raise UndecodableError(f"line {number} isn't UTF-8: {error.reason}") from error
    return found


def read_labels(output: Tensor, file: str, folder: Path | None) -> list[str]:
    """Read the names of an output's classes, by index of its last axis; none where no file is told.

    Raises:
        ManifestError: the file isn't there, or doesn't have a line for each class.

    """
    if not file:
        return []
    if folder is None or not is_file_name(file):
        raise ManifestError(f"{FILE}: the labels of {output.name!r} are in {file!r}, which is no file beside it")
    try:
        lines = lines_of(read_regular(folder / file, most_bytes=MOST_TEXT_BYTES))
    except OSError as error:
        raise ManifestError(f"{FILE}: the labels of {output.name!r} are in {file}: {error.strerror}") from error
    except UndecodableError as error:
        raise ManifestError(f"{file}, the labels of {output.name!r}, is no text: {error}") from error
    classes = output.outside
    if len(classes) != 1 or classes[0] == -1:
        raise ManifestError(
            f"{FILE}: {output.name!r} has labels, so its dims have to end with the number of classes, and have no "
            "other axis beside time"
        )
    if len(lines) != classes[0]:
        raise ManifestError(f"{file} has {len(lines)} lines, and {output.name!r} {classes[0]} classes")
    return lines
