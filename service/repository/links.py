"""The links of a repository: where files really are, for operators who want none outside."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path


def why_outside(repository: Path, folder: Path, names: Iterable[str] = ()) -> str:
    """Return which of these files of a folder, or the folder itself, lies outside the repository; empty for none."""
    root = Path(os.path.realpath(repository))
    for name in ("", *names):
        path = folder / name
        if not Path(os.path.realpath(path)).is_relative_to(root):
            shown = path.relative_to(repository).as_posix()
            return f"{shown} leads out of the repository, and links is inside: put the file itself there"
    return ""
