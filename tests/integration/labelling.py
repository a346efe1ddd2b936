"""Owns a small repository whose models tell classes, and sequences whose class can be worked out."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from soloist.v1 import model_pb2
from tests.graphs import Sums

CLASSES = ("left", "right")


def write_classifier(
    repository: Path,
    *,
    version: int = 1,
    gain: float = 1.0,
    norm: str = "layer",
    reference: model_pb2.InputReference | None = None,
) -> None:
    """Write "sums", whose class is the feature with the larger sum; a negative gain answers the other.

    `reference` is what its frames are said to have been like in training.
    """
    sums = Sums(name="sums", gain=gain)
    manifest = sums.manifest
    manifest.labels[:] = CLASSES
    manifest.norm = norm
    manifest.version = version
    if reference is not None:
        manifest.input_reference.CopyFrom(reference)
    sums.write(repository, version=version, manifest=manifest)


def sequence(of: int, frames: int = 3) -> npt.NDArray[np.float32]:
    """Make a sequence of class 0 or 1."""
    return np.tile(np.eye(2, dtype=np.float32)[of], (frames, 1))


def lines(rows: Iterable[Iterable[object]]) -> str:
    """Write CSV."""
    return "".join(",".join(map(str, row)) + "\n" for row in rows)
