"""Rebuilds data/vowels/vowels.npz from the package it came in: `python -m data.vowels.rebuild` in the root."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from data.archive import Recording, check, write
from data.packages import fetch_wheel

PACKAGE = "aeon==1.6.0"
MEMBER = "aeon/datasets/data/JapaneseVowels/JapaneseVowels_{split}.ts"
SPEAKERS = tuple(str(number) for number in range(1, 10))


def parse_ts(text: str) -> Iterator[tuple[np.ndarray, str]]:
    """Yield ([time, channels] float32, label) of each line after "@data": channels part at ":", values at ","."""
    for line in text.partition("@data")[2].split():
        *channels, label = line.split(":")
        yield np.array([channel.split(",") for channel in channels], dtype=np.float32).T, label


def main() -> None:
    """Fetch, convert, write and check."""
    with tempfile.TemporaryDirectory() as folder:
        wheel = zipfile.ZipFile(fetch_wheel(PACKAGE, Path(folder)))
        parts = [(split, wheel.read(MEMBER.format(split=split)).decode()) for split in ("TRAIN", "TEST")]
    sequences = [(split, *sequence) for split, text in parts for sequence in parse_ts(text)]
    recordings = [
        Recording(frames=frames, label=SPEAKERS.index(label), held_out=split == "TEST", group=number)
        for number, (split, frames, label) in enumerate(sequences)
    ]
    path = Path(__file__).with_name("vowels.npz")
    write(path, SPEAKERS, recordings)
    check(path)


if __name__ == "__main__":
    main()
