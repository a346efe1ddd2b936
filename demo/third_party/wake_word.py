"""The models that wait for a word, which follow each other: mel bands, their embedding, the word itself."""

from __future__ import annotations

from functools import cache

import numpy as np

from demo.third_party import input_sequences
from demo.third_party.download import cached_path
from demo.third_party.model import ThirdPartyModel, as_they_are, one_row, the_only_one
from demo.third_party.package_files import SPEECH, WAKE_EMBEDDING, WAKE_MEL, WAKE_WORD
from demo.third_party.reference_loops import Chunks, frames_of
from demo.third_party.sequences import Array, Outputs, Sequence
from service.engine.onnx_runtime import ort

_LOUDNESS = np.float32(32767)  # samples are as large as 16-bit integers here
_SECONDS = (2.6, 2.2)
_BANDS_WINDOW, _BANDS_HOP = 76, 8  # mel frames of an embedding, and from one to the next
_WORD_WINDOW = 16  # embeddings that the word is looked for in
_EMBEDDING, _WORD_IN, _WORD_OUT = "conv2d_19", "onnx::Flatten_0", "39"


def _mel(session: ort.InferenceSession, chunks: Chunks) -> Outputs:
    """One run; a frame of the answer for every 160 samples."""
    (whole,) = chunks
    (bands,) = session.run(["output"], {"input": whole.frames[None]})
    return {"output": bands[0]}


def _embed(session: ort.InferenceSession, chunks: Chunks) -> Outputs:
    """One run a window of bands."""
    runs = [session.run([_EMBEDDING], {"input_1": window[None]})[0] for window in frames_of(chunks)]
    return {_EMBEDDING: np.concatenate(runs)}


def _listen(session: ort.InferenceSession, chunks: Chunks) -> Outputs:
    """One run a window of embeddings."""
    runs = [session.run([_WORD_OUT], {_WORD_IN: window[None]})[0] for window in frames_of(chunks)]
    return {_WORD_OUT: np.concatenate(runs)}


def _samples() -> list[Sequence]:
    return [Sequence(frames=each * _LOUDNESS) for each in input_sequences.speech(_SECONDS)]


@cache
def _bands() -> list[Sequence]:
    """Return windows [time, 76, 32, 1] of mel bands."""
    session = ort.InferenceSession(cached_path(WAKE_MEL), providers=["CPUExecutionProvider"])
    found = [_mel(session, [samples])["output"][0] / np.float32(10) + np.float32(2) for samples in _samples()]
    return [Sequence(frames=_windows(each, _BANDS_WINDOW, _BANDS_HOP)[..., None]) for each in found]


def _embeddings() -> list[Sequence]:
    """Return windows [time, 16, 96] of embeddings."""
    session = ort.InferenceSession(cached_path(WAKE_EMBEDDING), providers=["CPUExecutionProvider"])
    found = [_embed(session, [bands])[_EMBEDDING][:, 0, 0] for bands in _bands()]
    return [Sequence(frames=_windows(each, _WORD_WINDOW, 1)) for each in found]


def _windows(frames: Array, length: int, hop: int) -> Array:
    """Return windows [count, length, …] of frames [T, …]."""
    return np.stack([frames[at : at + length] for at in range(0, len(frames) - length + 1, hop)])


MODELS = (
    ThirdPartyModel(
        name="wake-mel",
        file=WAKE_MEL,
        other_files=(SPEECH,),
        sequences=_samples,
        loop=_mel,
        frames_input="input",
        as_requested=one_row,
        unlike="wake word, 1 of 3: no config.pbtxt, time is the third of the output's four axes",
        described=False,
        streams=False,
    ),
    ThirdPartyModel(
        name="wake-embedding",
        file=WAKE_EMBEDDING,
        other_files=(SPEECH, WAKE_MEL),
        sequences=_bands,
        loop=_embed,
        frames_input="input_1",
        as_requested=as_they_are,
        unlike="wake word, 2 of 3: no config.pbtxt, frames [76, 32, 1], nothing carried",
        described=False,
        stateful=False,
        one_frame_per_run=True,
    ),
    ThirdPartyModel(
        name="wake-word",
        file=WAKE_WORD,
        other_files=(SPEECH, WAKE_MEL, WAKE_EMBEDDING),
        sequences=_embeddings,
        loop=_listen,
        frames_input=_WORD_IN,
        as_requested=the_only_one,
        unlike="wake word, 3 of 3: every shape fixed, tensors called `onnx::Flatten_0` and `39`, nothing carried",
        stateful=False,
        one_frame_per_run=True,
    ),
)
