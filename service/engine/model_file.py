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
from itertools import islice
from pathlib import Path

from service.core.file_mark import FileMark, file_mark
from service.core.files import FileTooLargeError, IrregularFileError, read_regular

# The format allows no more: larger models have weights in files of their own.
_MOST_GRAPH_BYTES = 2**31 - 1
_MOST_WEIGHT_FILES = 10_000


class ModelFileError(Exception):
    """A model's file can't be read or loaded; the text is for the operator."""


@dataclass(frozen=True, kw_only=True)
class ModelLimits:
    """The largest files that are loaded: bytes of the graph and its weights, and nodes with all functions in place."""

    max_bytes: int = 4 * 2**30
    max_nodes: int = 100_000


@dataclass(frozen=True, kw_only=True, eq=False)
class ModelFile:
    """The bytes of a graph, and of each file of its folder that it may refer to, by relative path.

    `path` is where it was read; None for a graph without a file.
    """

    name: str
    content: bytes
    path: Path | None = None
    weights: Mapping[str, bytes] = field(default_factory=dict)
    read_from: FileMark | None = None

    def refuse_changed(self) -> None:
        """Check that the file is still the one that was read.

        Raises:
            ModelFileError: it isn't.

        """
        if self.path is not None and file_mark(self.path) != self.read_from:
            raise ModelFileError(f"{self.name} changed while it was loaded")

    @cached_property
    def sha256(self) -> str:
        """Return the SHA-256 of all bytes, in hexadecimal; without external weights, that of the graph's file."""
        digest = hashlib.sha256(self.content)
        for name, weights in sorted(self.weights.items()):
            digest.update(f"\n{name}\n{len(weights)}\n".encode(errors="surrogateescape"))
            digest.update(weights)
        return digest.hexdigest()


def read_model_file(path: Path, limits: ModelLimits = ModelLimits()) -> ModelFile:  # it is frozen
    """Read a graph and its weights. Blocks.

    Raises:
        ModelFileError: a file is missing, can't be read, is no regular file, or they are larger than the limits.

    """
    before = file_mark(path)
    if before is not None and before.size > _MOST_GRAPH_BYTES:
        raise ModelFileError(f"{path.name} is no ONNX file, for it has 2 GiB or more: weights can have their own files")
    content = read_file(path, most_bytes=limits.max_bytes)
    left, weights = limits.max_bytes - len(content), {}
    for name, file in islice(_files(path.parent), _MOST_WEIGHT_FILES):
        if _may_name(content, file) and file != path:
            weights[name] = read_file(file, most_bytes=left)
            left -= len(weights[name])
    return ModelFile(name=path.name, content=content, path=path, weights=weights, read_from=before)


def read_file(path: Path, *, most_bytes: int | None = None) -> bytes:
    """Read a regular file.

    Raises:
        ModelFileError: it is missing, can't be read, is no regular file, or has more than `most_bytes`.

    """
    try:
        return read_regular(path, most_bytes=most_bytes)
    except FileTooLargeError as error:
        raise ModelFileError(
            f"{path.name} has {error.size} bytes, more than max_model_bytes leaves for it ({most_bytes}): raise that "
            "setting if you trust the file"
        ) from error
    except (IrregularFileError, IsADirectoryError) as error:
        raise ModelFileError(f"{path.name} is no regular file") from error
    except OSError as error:
        raise ModelFileError(f"{path.name}: {error.strerror}") from error


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
