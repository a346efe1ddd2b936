"""Owns the sequences that each model is asked: two a model, from real speech and writing where there is any."""

from __future__ import annotations

from functools import cache

import numpy as np

from demo.elsewhere import brain, sound, texts
from demo.elsewhere.fetching import where
from demo.elsewhere.parts import RAWI_LETTERS, SPEECH, TASHKEEL_LETTERS, VOICE_EMBEDDER
from demo.elsewhere.sequences import Array, Sequence
from service.engine.onnx_runtime import ort

_BEGINS = (0.0, 4.0)  # seconds, where the two are taken from the recording
_SECONDS = (1.6, 1.1)
# The first has more frames than the server takes at a time of a model that it may cut (max_slice_frames).
_LONGER_SECONDS = (3.0, 1.1)
_EMBEDDER_FRAMES = 80  # that the embedder takes in one run
_HINT, _NO_HINT = 5, 1  # numbers of libtashkeel: "fatha", none


def windows(*, length: int, hop: int) -> list[Sequence]:
    """Give samples in windows [time, length]."""
    return [Sequence(frames=sound.windows(each, length=length, hop=hop)) for each in speech()]


def spectra(*, length: int, hop: int) -> list[Sequence]:
    """Give the size of each frequency [time, length / 2 + 1]."""
    return [Sequence(frames=sound.magnitudes(sound.windows(each, length=length, hop=hop))) for each in speech()]


def mixed_voices() -> list[Sequence]:
    """Give four frames of 128 mel bands in one [time, 512], and the vector of the voice that is wanted."""
    bands = [sound.log_mel(each, window=640, fft=1200, bands=128) for each in speech(_LONGER_SECONDS)]
    return [Sequence(frames=sound.stacked(each, 4), beside={"dvec": _voice()}) for each in bands]


def brain_waves() -> list[Sequence]:
    """Give made-up spectra [time, 100]."""
    return [Sequence(frames=brain.spectra(seconds, seed)) for seed, seconds in enumerate((40, 25))]


def arabic() -> list[Sequence]:
    """Give letters [time] with a hint for every tenth."""
    found = []
    for text in texts.paragraphs("ar", 2):
        letters = texts.numbers(text, where(TASHKEEL_LETTERS))
        hints = np.full_like(letters, _NO_HINT)
        hints[::10] = _HINT
        found.append(Sequence(frames=letters, along={"diac_inputs": hints}))
    return found


def arabic_alone() -> list[Sequence]:
    """Give letters [time]."""
    table = where(RAWI_LETTERS)
    return [Sequence(frames=texts.numbers(text, table, key="char_to_idx")) for text in texts.paragraphs("ar", 2)]


def hebrew() -> list[Sequence]:
    """Give letters [time]."""
    return [Sequence(frames=texts.hebrew_numbers(text)) for text in texts.paragraphs("he", 2)]


def speech(seconds: tuple[float, float] = _SECONDS) -> list[sound.Floats]:
    """Give samples [S] of two places in the recording."""
    samples = sound.read(where(SPEECH))
    begins = [int(begin * sound.RATE) for begin in _BEGINS]
    return [samples[at : at + int(length * sound.RATE)] for at, length in zip(begins, seconds, strict=True)]


@cache
def _voice() -> Array:
    """Give the vector [256] of the recording's voice."""
    bands = sound.log_mel(sound.read(where(SPEECH)), window=400, fft=512, bands=40)[:_EMBEDDER_FRAMES]
    embedder = ort.InferenceSession(where(VOICE_EMBEDDER), providers=["CPUExecutionProvider"])
    vector: Array = embedder.run(["embedding"], {"mel_window": bands[None]})[0][0]
    return vector / np.float32(np.linalg.norm(vector))
