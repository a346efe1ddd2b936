"""What is sent: sequences from a file or made up from a model's signature, and where streams are cut."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from soloist.v1 import model_pb2, tensor_pb2

Array = npt.NDArray[Any]

RANDOM_CHUNK_FRAMES = 4  # mean length of a chunk where the cuts are random
_SYNTHETIC_SEQUENCES = 64
_SYNTHETIC_FRAMES = (16, 64)  # shortest and longest, where the manifest does not tell
_NUMERIC_KINDS = "biuf"


class WorkloadError(Exception):
    """The frames asked for can't be had; the message says why."""


def read_sequences(path: Path) -> list[Array]:
    """Read a .npy (one sequence) or a .npz (each array a sequence): [time, feature] numbers or [time] tokens.

    Raises WorkloadError.
    """
    try:
        loaded = np.load(path, allow_pickle=False)
        sequences = [loaded] if isinstance(loaded, np.ndarray) else [loaded[name] for name in loaded.files]
    except (OSError, ValueError, EOFError) as error:
        raise WorkloadError(f"{path} can't be read as .npy or .npz: {error}") from error
    if not sequences:
        raise WorkloadError(f"{path} holds no sequence")
    for sequence in sequences:
        if sequence.dtype.kind not in _NUMERIC_KINDS or sequence.ndim not in (1, 2) or not len(sequence):
            raise WorkloadError(f"{path} holds a {sequence.dtype} array of shape {sequence.shape}: not a sequence")
    return sequences


def synthetic_sequences(manifest: model_pb2.Model, *, seed: int) -> list[Array]:
    """Return made-up sequences of the lengths that a model was trained on: normal numbers or uniform tokens.

    Raises WorkloadError when the model's frames are of a type or shape that cannot be guessed.
    """
    rng = np.random.default_rng(seed)
    shortest, longest = _SYNTHETIC_FRAMES
    if manifest.training.max_frames:
        shortest, longest = max(1, manifest.training.min_frames), manifest.training.max_frames
    frame_counts = rng.integers(shortest, longest, size=_SYNTHETIC_SEQUENCES, endpoint=True)
    frames = manifest.signature.frames
    if frames.data_type == tensor_pb2.DATA_TYPE_FLOAT32 and len(frames.shape) == 3 and frames.shape[2] > 0:
        return [rng.normal(size=(count, frames.shape[2])).astype(np.float32) for count in frame_counts]
    if frames.data_type == tensor_pb2.DATA_TYPE_INT64 and manifest.signature.token_count > 0:
        return [rng.integers(manifest.signature.token_count, size=count, dtype=np.int64) for count in frame_counts]
    raise WorkloadError(f"no frames can be made up for {manifest.name!r}: give some in a file")


def chunks(sequence: Array, *, chunk_frames: int | None, rng: np.random.Generator) -> list[Array]:
    """Cut a sequence: into chunks of `chunk_frames` (the last may be shorter), without it at random places."""
    inner = np.arange(1, len(sequence))
    if chunk_frames is not None:
        cuts = inner[chunk_frames - 1 :: chunk_frames]
    else:
        cuts = inner[rng.random(len(inner)) < 1 / RANDOM_CHUNK_FRAMES]
    return np.split(sequence, cuts)


def draw(sequences: Sequence[Array], count: int, rng: np.random.Generator) -> list[Array]:
    """Choose what each of `count` requests sends."""
    return [sequences[index] for index in rng.integers(len(sequences), size=count)]
