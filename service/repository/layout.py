"""How a repository lies on disk: <model>/<version>/model.onnx, versions are whole numbers from 1."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FILE = "model.onnx"


class RepositoryError(Exception):
    """The repository can't be read; the text says why."""


@dataclass(frozen=True, kw_only=True, order=True)
class Location:
    """One version of one model, and its file, which may be missing."""

    name: str
    version: int
    path: Path


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
        for version in model.iterdir():
            if version.name.isdecimal() and int(version.name) > 0 and version.is_dir():
                yield Location(name=model.name, version=int(version.name), path=version / FILE)
