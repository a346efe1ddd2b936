"""Putting a model into a repository: everything is written beside its place and renamed into it at the end."""

from __future__ import annotations

import re
import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path

from export.errors import ExportError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def check_place(repository: Path, name: str, version: int) -> None:
    """Raise ExportError for a name that is no folder's name, or a version that is not positive or there already."""
    if not _NAME.fullmatch(name):
        raise ExportError(f"{name!r} is no model name: letters, digits, '.', '_' and '-', beginning with one of those")
    if version < 1:
        raise ExportError(f"version {version}: versions count from 1")
    if (repository / name / str(version)).exists():
        raise ExportError(f"{name} has a version {version} already; an exported version is never changed")


def next_version(repository: Path, name: str) -> int:
    """Return the number after the highest version of a model; 1 for a new one."""
    folder = repository / name
    versions = [int(path.name) for path in folder.iterdir() if path.name.isdecimal()] if folder.is_dir() else []
    return max(versions, default=0) + 1


def write(repository: Path, name: str, version: int, files: Mapping[str, bytes], config: str) -> None:
    """Add one version: `files` by name. A reader sees all or nothing. Raises ExportError when it is there already."""
    repository.mkdir(parents=True, exist_ok=True)
    # A name no model can have, on the file system of the repository. Not from tempfile: only its owner may read that.
    staged = repository / f".export-{uuid.uuid4().hex}"
    staged.mkdir()
    try:
        (staged / "version").mkdir()
        for file, content in files.items():
            (staged / "version" / file).write_bytes(content)
        (staged / "config.pbtxt").write_text(config)
        (repository / name).mkdir(exist_ok=True)
        check_place(repository, name, version)
        # The config first: without it, other servers take the version for broken.
        (staged / "config.pbtxt").replace(repository / name / "config.pbtxt")
        (staged / "version").replace(repository / name / str(version))
    finally:
        shutil.rmtree(staged)
