"""Sequences that each model is asked: two a model, from real speech and writing where there is any."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from demo.third_party import signals
from demo.third_party.download import cached_path
from demo.third_party.package_files import RAWI_LETTERS, SPEECH, TASHKEEL_LETTERS, VOICE_EMBEDDER
from demo.third_party.sequences import Array, Sequence
from models.data import load
from service.engine.onnx_runtime import ort

# What nakdimon reads; a letter's number is its place, counted from 1.
_HEBREW = "HO5 !\"'(),-.:;?" + "".join(chr(code) for code in range(0x05D0, 0x05EB))


def paragraphs(language: str, count: int) -> list[str]:
    """Return the first `count` held-out paragraphs in a language ("ar", "he")."""
    declaration = load("languages")
    label = declaration.spec.labels.index(language)
    found = [index for index, each in enumerate(declaration.test.labels) if each == label][:count]
    return [bytes(declaration.test.sequences[index].astype(np.uint8)).decode() for index in found]


def numbers(text: str, letters: Path, *, key: str = "") -> NDArray[np.int64]:
    """Return the letters [T] of a text as the model's own table, in JSON, numbers them; unknown ones are left out."""
    read: dict[str, Any] = json.loads(letters.read_text(encoding="utf-8"))
    table = read[key] if key else read
    return np.array([table[letter] for letter in text if letter in table], np.int64)


def hebrew_numbers(text: str) -> NDArray[np.float32]:
    """Return the letters [T] of a text as nakdimon numbers them, which are floats there; "O" is any other sign."""
    return np.array([1 + _HEBREW.index(sign if sign in _HEBREW else "O") for sign in text], np.float32)


_BEGINS = (0.0, 4.0)  # seconds, where the two are taken from the recording
_SECONDS = (1.6, 1.1)
# The first has more frames than the server takes at a time of a model that it may cut (max_slice_frames).
_LONGER_SECONDS = (3.0, 1.1)
_EMBEDDER_FRAMES = 80  # that the embedder takes in one run
_HINT, _NO_HINT = 5, 1  # numbers of libtashkeel: "fatha", none


def windows(*, length: int, hop: int) -> list[Sequence]:
    """Return samples in windows [time, length]."""
    return [Sequence(frames=signals.windows(each, length=length, hop=hop)) for each in speech()]


def spectra(*, length: int, hop: int) -> list[Sequence]:
    """Return the size of each frequency [time, length / 2 + 1]."""
    return [Sequence(frames=signals.magnitudes(signals.windows(each, length=length, hop=hop))) for each in speech()]


def mixed_voices() -> list[Sequence]:
    """Return four frames of 128 mel bands in one [time, 512], and the vector of the voice that is wanted."""
    bands = [signals.log_mel(each, window=640, fft=1200, bands=128) for each in speech(_LONGER_SECONDS)]
    return [Sequence(frames=signals.stacked(each, 4), per_sequence={"dvec": _voice()}) for each in bands]


def brain_waves() -> list[Sequence]:
    """Return made-up spectra [time, 100]."""
    return [Sequence(frames=signals.eeg_spectra(seconds, seed)) for seed, seconds in enumerate((40, 25))]


def arabic() -> list[Sequence]:
    """Return letters [time] with a hint for every tenth."""
    found = []
    for text in paragraphs("ar", 2):
        letters = numbers(text, cached_path(TASHKEEL_LETTERS))
        hints = np.full_like(letters, _NO_HINT)
        hints[::10] = _HINT
        found.append(Sequence(frames=letters, per_frame={"diac_inputs": hints}))
    return found


def arabic_alone() -> list[Sequence]:
    """Return letters [time]."""
    table = cached_path(RAWI_LETTERS)
    return [Sequence(frames=numbers(text, table, key="char_to_idx")) for text in paragraphs("ar", 2)]


def hebrew() -> list[Sequence]:
    """Return letters [time]."""
    return [Sequence(frames=hebrew_numbers(text)) for text in paragraphs("he", 2)]


def speech(seconds: tuple[float, float] = _SECONDS) -> list[signals.Floats]:
    """Return samples [S] of two places in the recording."""
    samples = signals.read(cached_path(SPEECH))
    begins = [int(begin * signals.RATE) for begin in _BEGINS]
    return [samples[at : at + int(length * signals.RATE)] for at, length in zip(begins, seconds, strict=True)]


@cache
def _voice() -> Array:
    """Return the vector [256] of the recording's voice."""
    bands = signals.log_mel(signals.read(cached_path(SPEECH)), window=400, fft=512, bands=40)[:_EMBEDDER_FRAMES]
    embedder = ort.InferenceSession(cached_path(VOICE_EMBEDDER), providers=["CPUExecutionProvider"])
    vector: Array = embedder.run(["embedding"], {"mel_window": bands[None]})[0][0]
    return vector / np.float32(np.linalg.norm(vector))
