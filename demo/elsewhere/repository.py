"""Owns the repository that the server is started on: the files as they were published, and their configurations."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from demo.elsewhere.fetching import where
from demo.elsewhere.guest import Guest


def make(folder: Path, guests: Iterable[Guest]) -> None:
    """Lay out <name>/1/model.onnx and, of those that have one, <name>/config.pbtxt."""
    for guest in guests:
        version = folder / guest.name / "1"
        version.mkdir(parents=True)
        if guest.described:
            shutil.copyfile(guest.config, version.parent / "config.pbtxt")
        shutil.copyfile(where(guest.file), version / "model.onnx")
