"""Names of the classes of the first output: a text file beside config.pbtxt, a line each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from service.manifest import ManifestError
from service.model_config.file import FILE, is_file_name

if TYPE_CHECKING:
    from pathlib import Path

    from service.model_config.tensor import Tensor


def read_labels(output: Tensor, file: str, folder: Path | None) -> list[str]:
    """Read the names of an output's classes, by index of its last axis; none where no file is told.

    Raises:
        ManifestError: the file isn't there, isn't UTF-8, or doesn't have a line for each class.

    """
    if not file:
        return []
    if folder is None or not is_file_name(file):
        raise ManifestError(f"{FILE}: the labels of {output.name!r} are in {file!r}, which is no file beside it")
    try:
        content = (folder / file).read_bytes()
    except OSError as error:
        raise ManifestError(f"{FILE}: the labels of {output.name!r} are in {file}: {error.strerror}") from error
    lines = _lines(content, file)
    classes = output.outside
    if len(classes) != 1 or classes[0] == -1:
        raise ManifestError(
            f"{FILE}: {output.name!r} has labels, so its dims have to end with the number of classes, and have no "
            "other axis beside time"
        )
    if len(lines) != classes[0]:
        raise ManifestError(f"{file} has {len(lines)} lines, and {output.name!r} {classes[0]} classes")
    return lines


def _lines(content: bytes, file: str) -> list[str]:
    """Split at line feeds, and drop the carriage return before one.

    All else is part of a name: a name may be a space, and may hold what Unicode takes for a line's end.
    """
    try:
        lines = content.decode("utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ManifestError(f"{file}, line {line}, is not UTF-8: {error.reason}") from error
    if not lines[-1]:  # the last name's own line feed begins no other
        lines.pop()
    return [line.removesuffix("\r") for line in lines]
