"""Owns how versions come into a repository that is being served: written aside, and renamed into place."""

from __future__ import annotations

import tempfile
from pathlib import Path

from tests.graphs import Sums


def publish(repository: Path, sums: Sums, version: int) -> Path:
    """Write a version aside and rename it into place; returns its file."""
    model = repository / sums.name
    model.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=repository, prefix=".") as aside:
        written = sums.write(Path(aside), version=version)
        written.parent.rename(model / str(version))
    return model / str(version) / written.name
