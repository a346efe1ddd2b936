"""The models that hear notes: the pitch of a voice, and what an instrument plays.

Shapes: S samples, T frames.
"""

from __future__ import annotations

import numpy as np

from demo.third_party import input_sequences, signals
from demo.third_party.model import ThirdPartyModel, as_they_are, the_number
from demo.third_party.package_files import BASIC_PITCH, SPEECH, SWIFT_F0
from demo.third_party.reference_loops import Chunks, frames_of
from demo.third_party.sequences import Outputs, Sequence
from service.engine.onnx_runtime import ort

_VOICES = ((46.875, 2093.75), (60.0, 500.0))  # Hz, between which pitch is looked for
_MUSIC_RATE, _MUSIC_WINDOW = 22_050, 43_844  # samples a second, and those that the model takes in a run
_NOTES = (220.0, 277.2, 329.6, 440.0, 330.0, 261.6, 196.0, 392.0)  # Hz
_NOTE_SECONDS = 0.5
_PLAYED = [f"StatefulPartitionedCall:{number}" for number in (1, 2, 0)]  # notes, their beginnings, contours
_HEARD = "serving_default_input_2:0"


def _pitch(session: ort.InferenceSession, chunks: Chunks) -> Outputs:
    """One run; a frame of the answer for every 256 samples."""
    (whole,) = chunks
    pitch, confidence = session.run(["pitch", "confidence"], {"audio": whole.frames[None], **whole.per_sequence})
    return {"pitch": pitch[0], "confidence": confidence[0]}


def _notes(session: ort.InferenceSession, chunks: Chunks) -> Outputs:
    """One run a window of two seconds."""
    runs = [session.run(_PLAYED, {_HEARD: window[None]}) for window in frames_of(chunks)]
    return {name: np.concatenate(found) for name, found in zip(_PLAYED, zip(*runs, strict=True), strict=True)}


def _voices() -> list[Sequence]:
    bounds = [{"fmin": np.array(low, np.float32), "fmax": np.array(high, np.float32)} for low, high in _VOICES]
    return [
        Sequence(frames=samples, per_sequence=each)
        for samples, each in zip(input_sequences.speech(), bounds, strict=True)
    ]


def _melodies() -> list[Sequence]:
    """Return windows [T, 43844, 1] of two made-up melodies, since no package holds a real one."""
    return [
        Sequence(frames=signals.windows(melody(seed), length=_MUSIC_WINDOW, hop=_MUSIC_WINDOW)[:count, :, None])
        for seed, count in ((0, 2), (1, 1))
    ]


def melody(seed: int) -> signals.Floats:
    """Return samples [S] of struck strings, eight notes of half a second, each with four overtones that die away."""
    rng = np.random.default_rng(seed)
    seconds = np.arange(int(_NOTE_SECONDS * _MUSIC_RATE)) / _MUSIC_RATE
    notes = [
        sum(np.sin(2 * np.pi * hertz * overtone * seconds) / overtone for overtone in range(1, 6))
        * np.exp(-4 * seconds)
        for hertz in rng.permutation(_NOTES)
    ]
    samples: signals.Floats = (0.2 * np.concatenate(notes)).astype(np.float32)
    return samples


MODELS = (
    ThirdPartyModel(
        name="swift-f0",
        file=SWIFT_F0,
        other_files=(SPEECH,),
        sequences=_voices,
        loop=_pitch,
        frames_input="audio",
        as_requested=as_they_are,
        auxiliary_as_requested=the_number,
        unlike="pitch: two inputs without axes, float64 output, a frame of the answer for every 256 samples",
        streams=False,
    ),
    ThirdPartyModel(
        name="basic-pitch",
        file=BASIC_PITCH,
        other_files=(),
        sequences=_melodies,
        loop=_notes,
        frames_input=_HEARD,
        as_requested=as_they_are,
        unlike="music: two seconds a run, three outputs of 172 × 88 and 172 × 264, colons in the names of tensors",
        stateful=False,
        one_frame_per_run=True,
    ),
)
