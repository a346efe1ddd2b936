"""The files that config.pbtxt names: labels next to it, one per line, and initial states in a folder next to it."""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING, Any

import numpy as np

from service.core.files import MOST_NAMES_BYTES, FileTooLargeError, read_regular
from service.core.tensors import largest_truth
from service.loading.manifest import ManifestError
from service.loading.model_config.file import ConfigError, is_file_name

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from service.loading.model_config.tensor import Tensor

_STATES = "initial_state"


class UndecodableError(ValueError):
    """A line isn't UTF-8; the text has its number."""


def lines_of(content: bytes) -> list[str]:
    """Split a text at LF. Lines are unchanged, except for a CR at the end of each and a byte order mark at the start.

    A space, or a line separator of Unicode, may be a class of its own: dictionaries of letters have them.

    Raises:
        UndecodableError: a line isn't UTF-8.

    """
    lines = content.removeprefix(codecs.BOM_UTF8).split(b"\n")
    if not lines[-1]:
        lines.pop()  # after the last LF there is no further line
    found = []
    for number, line in enumerate(lines, 1):
        try:
            found.append(line.removesuffix(b"\r").decode())
        except UnicodeDecodeError as error:
            raise UndecodableError(f"line {number} isn't UTF-8: {error.reason}") from error
    return found


def read_labels(output: Tensor, file: str, folder: Path | None) -> list[str]:
    """Return the names of an output's classes, by index of its last axis; empty if no file is named.

    Raises:
        ManifestError: the file is missing, or doesn't have a line for each class.

    """
    if not file:
        return []
    if folder is None or not is_file_name(file):
        raise ConfigError(f"the labels of {output.name!r} are in {file!r}, which is no file next to it")
    try:
        lines = lines_of(read_regular(folder / file, most_bytes=MOST_NAMES_BYTES))
    except OSError as error:
        raise ConfigError(f"the labels of {output.name!r} are in {file}: {error.strerror}") from error
    except UndecodableError as error:
        raise ManifestError(f"{file}, the labels of {output.name!r}, is no text: {error}") from error
    classes = output.outside
    if len(classes) != 1 or classes[0] == -1:
        raise ConfigError(
            f"{output.name!r} has labels, so its dims have to end with the number of classes, and have no "
            "other axis than time"
        )
    if len(lines) != classes[0]:
        raise ManifestError(f"{file} has {len(lines)} lines, and {output.name!r} {classes[0]} classes")
    return lines


def read_initial_state(state: str, file: str, folder: Path | None, count: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return the `count` elements of an initial state's file; `folder` is that of config.pbtxt.

    Raises:
        ManifestError: it is missing, has another size, or bytes of BOOL that are neither true nor false.

    """
    expected_bytes = count * dtype.itemsize
    if folder is None or not is_file_name(file):
        raise ConfigError(f"state {state!r} begins from {file!r}, which is no file of {_STATES}/")
    try:
        content = read_regular(folder / _STATES / file, most_bytes=expected_bytes)
        size = len(content)
    except FileTooLargeError as error:
        content, size = b"", error.size
    except OSError as error:
        raise ConfigError(f"state {state!r} begins from {_STATES}/{file}: {error.strerror}") from error
    if size != expected_bytes:
        raise ManifestError(f"{_STATES}/{file} has {size} bytes, state {state!r} takes {expected_bytes}")
    array = np.frombuffer(content, dtype)
    if (largest := largest_truth(array)) > 1:
        raise ManifestError(f"{_STATES}/{file} has a byte {largest}, state {state!r} takes 0 and 1")
    return array
