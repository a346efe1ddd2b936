"""How a repository lies on disk: <model>/<version>/model.onnx, or the file that <model>/config.pbtxt names."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

LARGEST_VERSION = 2**63 - 1  # what a message can tell
_DEEPEST = 16  # folders in folders
_MOST_FILES = 10_000  # of a version, or beside the versions: a link may lead to the whole disk
# A file: its path in its folder, and what tells one content from another without reading it: inode, times of change of
# content and of anything in ns, size. An editor may set the first time back, but not the second.
_File = tuple[str, int, int, int, int]
Files = tuple[_File, ...]


class RepositoryError(Exception):
    """The repository can't be read; the text says why."""


@dataclass(frozen=True, kw_only=True)
class Stamp:
    """All files that a version is made of: those in its own folder, and those that it shares with other versions."""

    own: Files
    shared: Files = ()


@dataclass(frozen=True, kw_only=True)
class Location:
    """One version of one model, and its file, which may be missing; then there is no `stamp`."""

    name: str
    version: int
    path: Path
    stamp: Stamp | None = None


def model_folders(repository: Path) -> dict[str, Path]:
    """Return the folders of models by name, sorted; what is hidden is somebody's work in progress.

    A link that leads nowhere is one of them: somebody meant it to be a model. Other files are not.

    Raises:
        RepositoryError: there is no such folder, or it can't be read.

    """
    try:
        found = [path for path in repository.iterdir() if not path.name.startswith(".")]
    except OSError as error:
        raise RepositoryError(f"{repository}: {error.strerror}") from error
    folders = [path for path in sorted(found) if path.is_symlink() or _is_folder(path)]
    # Names that aren't UTF-8 are first: where one looks like another's, the good one stands.
    folders.sort(key=lambda path: _text(path.name) == path.name)
    return dict(sorted((_text(path.name), path) for path in folders))


def why_no_model(name: str, folder: Path) -> str:
    """Return what is wrong with a model's folder as such; empty when nothing is.

    Raises:
        OSError: it can't be read.

    """
    if name != folder.name:
        return "its name isn't UTF-8"
    os.stat(folder)  # noqa: PTH116  # Path.exists hides a loop of links
    return "" if folder.is_dir() else "it is no folder"


def version_folders(model: Path) -> tuple[dict[int, Path], str]:
    """Return the folders of a model's versions by number, and what is wrong with one that has no place among them.

    Raises:
        OSError: the model's folder can't be read.

    """
    found: dict[int, Path] = {}
    fault = ""
    for path in model.iterdir():
        # One name for one version: "01" would be a second 1.
        if not _is_version(path.name) or not (path.is_symlink() or _is_folder(path)):
            continue
        if (version := int(path.name)) > LARGEST_VERSION:
            fault = f"version {path.name} is larger than {LARGEST_VERSION}"
        else:
            found[version] = path
    return found, fault


def shared_files(model: Path, leave_out: str) -> Files:
    """Return what is in a model's folder beside its versions, without the file `leave_out`."""
    return _all_files(model, lambda name: name == leave_out or _is_version(name))


def stamp(file: Path, shared: Files) -> Stamp | None:
    """Return the stamp of the version whose graph is `file`; None while there is no such file."""
    if not os.path.lexists(file):
        return None
    return Stamp(own=_all_files(file.parent, lambda _: False), shared=shared)


def _all_files(folder: Path, is_left_out: Callable[[str], bool]) -> Files:
    return tuple(sorted(islice(_files(folder, is_left_out, walked=set()), _MOST_FILES)))


def _files(
    folder: Path, is_left_out: Callable[[str], bool], *, walked: set[tuple[int, int]], below: str = "", depth: int = 0
) -> Iterator[_File]:
    """Walk through all files that aren't hidden. What can't be looked at is a file too: it may be mended.

    A folder is walked once, however many links lead to it: with a few that lead back the walk would never end.
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
    """Return whether it is one; what can't be told is none."""
    try:
        return path.is_dir()
    except OSError:
        return False


def _text(name: str) -> str:
    """Make a name that a message can carry of one that needn't be UTF-8."""
    return os.fsencode(name).decode(errors="replace")
