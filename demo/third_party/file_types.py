"""The model that tells what kind of file it is given, and the files that it is given: those of this repository."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from demo.third_party.download import cached_path
from demo.third_party.model import ThirdPartyModel, as_they_are
from demo.third_party.package_files import FILE_TYPE, SPEECH
from demo.third_party.reference_loops import Chunks, frames_of
from demo.third_party.sequences import Array, Outputs, Sequence
from service.engine.onnx_runtime import ort

_EITHER_END = 1024  # bytes of the beginning and of the end that the model reads
_FILES = 12  # of a folder
_PADDING = 256  # a number that no byte has


def numbers(content: bytes) -> Array:
    """Return the bytes of both ends [2048] as numbers, padded between them where a file is shorter."""
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
    """Return a file a frame [time, 2048]."""
    here = Path(__file__)
    folders = (
        sorted(here.parent.glob("*.py"))[:_FILES],
        [*sorted(here.parent.glob("configs/*"))[:_FILES], cached_path(SPEECH)],
    )
    return [Sequence(frames=np.stack([numbers(path.read_bytes()) for path in paths])) for paths in folders]


MODELS = (
    ThirdPartyModel(
        name="magika",
        file=FILE_TYPE,
        other_files=(SPEECH,),
        sequences=_files,
        loop=_tell,
        frames_input="bytes",
        as_requested=as_they_are,
        unlike="kinds of files: int32 input, 2,048 bytes a run, 214 classes, nothing carried",
        stateful=False,
        one_frame_per_run=True,
    ),
)
