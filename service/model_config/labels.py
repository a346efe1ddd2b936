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
        ManifestError: the file isn't there, or doesn't have a line for each class.

    """
    if not file:
        return []
    if folder is None or not is_file_name(file):
        raise ManifestError(f"{FILE}: the labels of {output.name!r} are in {file!r}, which is no file beside it")
    try:
        lines = (folder / file).read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise ManifestError(f"{FILE}: the labels of {output.name!r} are in {file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ManifestError(f"{file}, the labels of {output.name!r}, is no text: {error}") from error
    classes = output.outside
    if len(classes) != 1 or classes[0] == -1:
        raise ManifestError(
            f"{FILE}: {output.name!r} has labels, so its dims have to end with the number of classes, and have no "
            "other axis beside time"
        )
    if len(lines) != classes[0]:
        raise ManifestError(f"{file} has {len(lines)} lines, and {output.name!r} {classes[0]} classes")
    return [line.strip() for line in lines]
