"""The layout of a repository on disk: <model>/<version>/model.onnx, or the file that <model>/config.pbtxt names."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

LARGEST_VERSION = 2**63 - 1  # the limit of int64
_DEEPEST = 16  # nested folders
_MOST_FILES = 10_000  # of a version, or next to the versions: a link may lead to the whole disk
# A file: its relative path, and what identifies its content without reading it: inode, mtime and ctime in ns, size. An
# editor may set mtime back, but not ctime.
_File = tuple[str, int, int, int, int]
Files = tuple[_File, ...]


class RepositoryError(Exception):
    """The repository can't be read; the text has the cause."""


@dataclass(frozen=True, kw_only=True)
class Stamp:
    """The identity of all files of a version: those in its own folder, and those that it shares with other versions."""

    own: Files
    shared: Files = ()


@dataclass(frozen=True, kw_only=True)
class Location:
    """One version of one model, and its file. If the file is missing, there is no `stamp`.

    `fault` says why it must not be loaded.
    """

    name: str
    version: int
    path: Path
    stamp: Stamp | None = None
    fault: str = ""


def model_folders(repository: Path) -> dict[str, Path]:
    """Return the folders of models by name, sorted, without hidden ones, which are work in progress.

    A broken link counts, since it was meant to be a model. Other files don't.

    Raises:
        RepositoryError: there is no such folder, or it can't be read.

    """
    try:
        found = [path for path in repository.iterdir() if not path.name.startswith(".")]
    except OSError as error:
        raise RepositoryError(f"{repository}: {error.strerror}") from error
    folders = [path for path in sorted(found) if path.is_symlink() or _is_folder(path)]
    # Names that aren't UTF-8 come first, so that a valid name that looks the same replaces them.
    folders.sort(key=lambda path: _text(path.name) == path.name)
    return dict(sorted((_text(path.name), path) for path in folders))


def why_no_model(name: str, folder: Path) -> str:
    """Return what is wrong with a model's folder itself; empty if nothing is.

    Raises:
        OSError: it can't be read.

    """
    if name != folder.name:
        return "its name isn't UTF-8"
    os.stat(folder)  # noqa: PTH116  # Path.exists hides a loop of links
    return "" if folder.is_dir() else "it is no folder"


def version_folders(model: Path) -> tuple[dict[int, Path], str]:
    """Return the folders of a model's versions by number, and what is wrong with one that can't be a version.

    Raises:
        OSError: the model's folder can't be read.

    """
    found: dict[int, Path] = {}
    fault = ""
    for path in model.iterdir():
        # Each version has one name: "01" would be a second 1.
        if not _is_version(path.name) or not (path.is_symlink() or _is_folder(path)):
            continue
        if (version := int(path.name)) > LARGEST_VERSION:
            fault = f"version {path.name} is larger than {LARGEST_VERSION}"
        else:
            found[version] = path
    return found, fault


def shared_files(model: Path, leave_out: str) -> Files:
    """Return the files in a model's folder next to its versions, without the file `leave_out`."""
    return _all_files(model, lambda name: name == leave_out or _is_version(name))


def stamp(file: Path, shared: Files) -> Stamp | None:
    """Return the stamp of the version whose graph is `file`; None if there is no such file."""
    if not os.path.lexists(file):
        return None
    return Stamp(own=_all_files(file.parent, lambda _: False), shared=shared)


def _all_files(folder: Path, is_left_out: Callable[[str], bool]) -> Files:
    return tuple(sorted(islice(_files(folder, is_left_out, walked=set()), _MOST_FILES)))


def _files(
    folder: Path, is_left_out: Callable[[str], bool], *, walked: set[tuple[int, int]], below: str = "", depth: int = 0
) -> Iterator[_File]:
    """Yield all files that aren't hidden. One that can't be read counts, since it may be repaired.

    Each folder is walked once, however many links lead to it; otherwise a link that leads back would never end.
    """
    try:
        found = folder.stat()
        if (identity := (found.st_dev, found.st_ino)) in walked or len(walked) == _MOST_FILES:
            return
        walked.add(identity)
        entries = os.scandir(folder)
    except OSError as error:
        yield below, error.errno or 0, 0, 0, 0
        return
    with entries:
        for entry in entries:
            if entry.name.startswith(".") or is_left_out(entry.name):
                continue
            name = f"{below}{entry.name}"
            if depth < _DEEPEST and _is_folder(Path(entry)):
                yield from _files(Path(entry), lambda _: False, walked=walked, below=f"{name}/", depth=depth + 1)
                continue
            try:
                found = entry.stat()
            except OSError as error:
                yield name, error.errno or 0, 0, 0, 0
            else:
                yield name, found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_size


def _is_version(name: str) -> bool:
    return name.isdecimal() and name == str(int(name)) != "0"


def _is_folder(path: Path) -> bool:
    """Return whether a path is a folder; one that can't be read isn't."""
    try:
        return path.is_dir()
    except OSError:
        return False


def _text(name: str) -> str:
    """Return a name that a message can hold, from one that may not be UTF-8."""
    return os.fsencode(name).decode(errors="replace")
