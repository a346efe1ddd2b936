"""How a data set is written to one file (layout: models/data/archive.py) and checked against data/SHA256SUMS."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

FOLDER = Path(__file__).parent


@dataclass(frozen=True, kw_only=True)
class Recording:
    """One labelled sequence on its way into an archive."""

    frames: npt.NDArray[np.generic]  # [time, channels] or [time]
    label: int
    held_out: bool
    group: int  # what the split keeps together: an article, or the recording itself
    characters: int = 0  # of text; 0 for measurements


def write(path: Path, label_names: Sequence[str], recordings: Sequence[Recording]) -> None:
    """Write `path` (.npz): the same recordings give the same bytes (with zlib 1.2 or 1.3)."""
    lengths = [len(recording.frames) for recording in recordings]
    np.savez_compressed(
        path,
        allow_pickle=False,
        frames=np.concatenate([recording.frames for recording in recordings]),
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        labels=np.array([recording.label for recording in recordings], dtype=np.int64),
        held_out=np.array([recording.held_out for recording in recordings], dtype=np.bool_),
        groups=np.array([recording.group for recording in recordings], dtype=np.int64),
        characters=np.array([recording.characters for recording in recordings], dtype=np.int64),
        label_names=np.array(label_names, dtype=np.str_),
    )


def check(path: Path) -> None:
    """Compare `path` with the sum on record for it. Ends the program with 1 if they differ."""
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    name = path.relative_to(FOLDER).as_posix()
    lines = (line.split() for line in (FOLDER / "SHA256SUMS").read_text().splitlines())
    recorded = {file: digest for digest, file in lines}
    sys.stdout.write(f"{found}  {name} ({path.stat().st_size} bytes)\n")
    if recorded.get(name) != found:
        sys.exit(f"{name}: SHA256SUMS says {recorded.get(name)}")
