"""One hostile entry of a repository: how its folder is made, and what the server has to say of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Hostile:
    """One model folder. `write` makes it; `says` is in the reason of a refusal.

    Some files harm nobody once they are read with care: then `says` is empty, and the model serves.
    """

    name: str
    write: Callable[[Path], None]
    says: str = ""


def version(model: Path) -> Path:
    """Make the folder of version 1, and return the path of its graph."""
    folder = model / "1"
    folder.mkdir(parents=True)
    return folder / "model.onnx"
