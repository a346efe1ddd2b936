"""How a repository lies on disk: <model>/<version>/model.onnx, or the file that <model>/config.pbtxt names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from service.manifest import ManifestError
from service.model_config import FILE as CONFIG_FILE
from service.model_config import MODEL_FILE, model_filename

FILE = MODEL_FILE
# What tells one content of a file from another without reading it: inode, time of change in ns, size.
Stamp = tuple[int, int, int]


class RepositoryError(Exception):
    """The repository can't be read; the text says why."""


@dataclass(frozen=True, kw_only=True, order=True)
class Location:
    """One version of one model, and its file, which may be missing; then there is no `stamp`."""

    name: str
    version: int
    path: Path
    stamp: Stamp | None = None


def locations(repository: Path) -> list[Location]:
    """List what a repository holds, sorted by name and version. Hidden folders are somebody's work in progress.

    Raises:
        RepositoryError: there is no such folder, or it can't be read.

    """
    try:
        return sorted(_locations(repository))
    except OSError as error:
        raise RepositoryError(f"{repository}: {error.strerror}") from error


def _locations(repository: Path) -> Iterator[Location]:
    for model in repository.iterdir():
        if model.name.startswith(".") or not model.is_dir():
            continue
        file = _file_of(model)
        for version in model.iterdir():
            # One name for one version: "01" would be a second 1.
            if version.name.isdecimal() and version.name == str(int(version.name)) != "0" and version.is_dir():
                path = version / file
                yield Location(name=model.name, version=int(version.name), path=path, stamp=_stamp(path))


def _file_of(model: Path) -> str:
    try:
        return model_filename(model / CONFIG_FILE)
    except (ManifestError, OSError):  # told when a version is loaded
        return FILE


def _stamp(path: Path) -> Stamp | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
