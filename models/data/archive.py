"""Reading a data set's file: ragged sequences as one array of frames and offsets, checked against its sum.

Arrays in an archive (.npz, never pickled): `frames` [all frames, channels] or [all frames], `offsets` [sequences + 1],
and for each sequence `labels`, `held_out`, `groups` and `characters`; `label_names` holds the labels' names.
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from models.data.dataset import Split


class DataError(Exception):
    """A data set's file is missing, unlisted, or not the one on record."""


@dataclass(frozen=True, kw_only=True)
class Archive:
    """What one file holds, and its SHA-256."""

    label_names: tuple[str, ...]
    train: Split
    test: Split
    sha256: str


def read_archive(folder: Path, name: str, dtype: type[np.generic]) -> Archive:
    """Read `folder`/`name` and cast frames to `dtype`. Raises DataError unless its sum is the one in SHA256SUMS."""
    content, sha256 = _checked(folder, name)
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        fields = {key: arrays[key] for key in arrays.files}
    return Archive(
        label_names=tuple(str(label) for label in fields["label_names"]),
        train=_split(fields, ~fields["held_out"], dtype),
        test=_split(fields, fields["held_out"], dtype),
        sha256=sha256,
    )


def _checked(folder: Path, name: str) -> tuple[bytes, str]:
    try:
        content = (folder / name).read_bytes()
        sums = (folder / "SHA256SUMS").read_text()
    except OSError as error:
        raise DataError(f"{folder / name}: {error.strerror}") from error
    recorded = {file: digest for digest, file in (line.split() for line in sums.splitlines())}
    sha256 = hashlib.sha256(content).hexdigest()
    if recorded.get(name) != sha256:
        raise DataError(f"{folder / name}: SHA-256 is {sha256}, SHA256SUMS says {recorded.get(name)}")
    return content, sha256


def _split(fields: dict[str, npt.NDArray[Any]], chosen: npt.NDArray[np.bool_], dtype: type[np.generic]) -> Split:
    frames = fields["frames"].astype(dtype)
    bounds = zip(fields["offsets"][:-1][chosen], fields["offsets"][1:][chosen], strict=True)
    return Split(
        # Views into one array: a data set costs its frames once.
        sequences=[frames[first:last] for first, last in bounds],
        labels=fields["labels"][chosen],
        groups=fields["groups"][chosen],
        characters=fields["characters"][chosen],
    )
