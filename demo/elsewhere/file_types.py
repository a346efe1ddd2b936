"""Owns the model that tells what kind of file it is given, and the files that it is given: those of this repository."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from demo.elsewhere.fetching import where
from demo.elsewhere.guest import Guest, as_they_are
from demo.elsewhere.loops import Chunks, frames_of
from demo.elsewhere.parts import FILE_TYPE, SPEECH
from demo.elsewhere.sequences import Array, Outputs, Sequence
from service.engine.onnx_runtime import ort

_EITHER_END = 1024  # bytes of the beginning and of the end that the model reads
_FILES = 12  # of a folder
_PADDING = 256  # a number that no byte has


def numbers(content: bytes) -> Array:
    """Give the bytes of both ends [2048] as numbers, padded between them where a file is shorter."""
    ends = np.full(2 * _EITHER_END, _PADDING, np.int32)
    first = np.frombuffer(content[:_EITHER_END], np.uint8)
    last = np.frombuffer(content[-_EITHER_END:], np.uint8)
    ends[: len(first)] = first
    ends[len(ends) - len(last) :] = last
    return ends


def _tell(session: ort.InferenceSession, chunks: Chunks) -> Outputs:
    """One run a file."""
    runs = [session.run(["target_label"], {"bytes": each[None]})[0] for each in frames_of(chunks)]
    return {"target_label": np.concatenate(runs)}


def _files() -> list[Sequence]:
    """Give a file a frame [time, 2048]."""
    here = Path(__file__)
    folders = (
        sorted(here.parent.glob("*.py"))[:_FILES],
        [*sorted(here.parent.glob("configs/*"))[:_FILES], where(SPEECH)],
    )
    return [Sequence(frames=np.stack([numbers(path.read_bytes()) for path in paths])) for paths in folders]


GUESTS = (
    Guest(
        name="magika",
        file=FILE_TYPE,
        material=(SPEECH,),
        sequences=_files,
        loop=_tell,
        frames_input="bytes",
        as_requested=as_they_are,
        unlike="kinds of files: int32 input, 2,048 bytes a run, 214 classes, nothing carried",
        stateful=False,
        a_frame_a_run=True,
    ),
)
