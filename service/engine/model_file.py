"""The file of a model and its external weights, read into memory once: later changes on disk have no effect.

ONNX Runtime would map the weights from disk: a version in use would change with them, and a truncated file would end
the process.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from service.core.files import IrregularFileError, read_regular

# What identifies the content of a file without reading it.
_Identity = tuple[int, int, int, int]


class ModelFileError(Exception):
    """A model's file can't be read or loaded; the text is for the operator."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ModelFile:
    """The bytes of a graph, and of each file of its folder that it may refer to, by relative path.

    `path` is where it was read; None for a graph without a file.
    """

    name: str
    content: bytes
    path: Path | None = None
    weights: Mapping[str, bytes] = field(default_factory=dict)
    read_from: _Identity | None = None

    def refuse_changed(self) -> None:
        """Check that the file is still the one that was read.

        Raises:
            ModelFileError: it isn't.

        """
        if self.path is not None and _identity(self.path) != self.read_from:
            raise ModelFileError(f"{self.name} changed while it was loaded")

    @cached_property
    def sha256(self) -> str:
        """Return the SHA-256 of all bytes, in hexadecimal; without external weights, that of the graph's file."""
        digest = hashlib.sha256(self.content)
        for name, weights in sorted(self.weights.items()):
            digest.update(f"\n{name}\n{len(weights)}\n".encode(errors="surrogateescape"))
            digest.update(weights)
        return digest.hexdigest()


def read_model_file(path: Path) -> ModelFile:
    """Read a graph and its weights. Blocks.

    Raises:
        ModelFileError: a file is missing, can't be read, or is no regular file.

    """
    before = _identity(path)
    content = read_file(path)
    weights = {name: read_file(file) for name, file in _files(path.parent) if _may_name(content, file) and file != path}
    return ModelFile(name=path.name, content=content, path=path, weights=weights, read_from=before)


def read_file(path: Path) -> bytes:
    """Read a regular file.

    Raises:
        ModelFileError: it is missing, can't be read, or is no regular file.

    """
    try:
        return read_regular(path)
    except (IrregularFileError, IsADirectoryError) as error:
        raise ModelFileError(f"{path.name} is no regular file") from error
    except OSError as error:
        raise ModelFileError(f"{path.name}: {error.strerror}") from error


def _identity(path: Path) -> _Identity | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield the regular files of a folder, without hidden ones, which are work in progress."""
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            path = Path(parent, name)
            if not name.startswith(".") and path.is_file():
                yield path.relative_to(folder).as_posix(), path


def _may_name(content: bytes, file: Path) -> bool:
    """Return whether a graph may refer to a file: it contains the names of its weight files verbatim."""
    return os.fsencode(file.name) in content
