"""What is sent: sequences from a file or made up from a model's signature, and where streams are cut."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from soloist.v1 import model_pb2, tensor_pb2

Array = npt.NDArray[Any]
Given = Array | list[Any] | str  # as a file has it, before it is in the model's own type

RANDOM_CHUNK_FRAMES = 4  # mean length of a chunk where the cuts are random
_SYNTHETIC_SEQUENCES = 64
_SYNTHETIC_FRAMES = (16, 64)  # shortest and longest, where the manifest does not tell
_MOST_SYNTHETIC_BYTES = 2**31
_NUMERIC_KINDS = "biuf"
_ARRAY_SUFFIXES = (".npy", ".npz")


class WorkloadError(Exception):
    """The frames asked for can't be had; the message says why."""


def read_sequences(path: Path) -> list[Given]:
    """Read sequences: [time, feature] numbers, [time] tokens or a text.

    A .npy holds one, a .npz one an array or a data set of this project, and any other file JSON lines: one a line.
    Raises WorkloadError.
    """
    return [*_read_arrays(path)] if path.suffix in _ARRAY_SUFFIXES else _read_json_lines(path)


def _read_arrays(path: Path) -> list[Array]:
    try:
        with path.open("rb") as file:  # numpy leaves that of a damaged .npz open
            sequences = _sequences_of(np.load(file, allow_pickle=False))
    except (OSError, ValueError, EOFError, OverflowError, MemoryError, zipfile.BadZipFile) as error:
        raise WorkloadError(f"{path} can't be read as .npy or .npz: {error}") from error
    if not sequences:
        raise WorkloadError(f"{path} holds no sequence")
    for sequence in sequences:
        if sequence.dtype.kind not in _NUMERIC_KINDS or sequence.ndim not in (1, 2) or not len(sequence):
            raise WorkloadError(f"{path} holds a {sequence.dtype} array of shape {sequence.shape}: not a sequence")
    return sequences


def _sequences_of(loaded: Any) -> list[Array]:
    """Return the sequences of what numpy has loaded: an array, or the file of several."""
    if isinstance(loaded, np.ndarray):
        return [loaded]
    if {"frames", "offsets"} <= set(loaded.files):
        return _ragged(loaded["frames"], loaded["offsets"])
    return [loaded[name] for name in loaded.files]


def _ragged(frames: Array, offsets: Array) -> list[Array]:
    """Return the sequences of a data set, all whose frames are in one array. Raises ValueError if they can't be."""
    inner = offsets.ndim == 1 and offsets.dtype.kind in "iu" and len(offsets) > 1 and frames.ndim > 0
    if not (inner and offsets[0] >= 0 and offsets[-1] <= len(frames) and (offsets[:-1] <= offsets[1:]).all()):
        raise ValueError("offsets aren't where the sequences of frames begin and end")
    return np.split(frames[offsets[0] : offsets[-1]], offsets[1:-1] - offsets[0])


def _read_json_lines(path: Path) -> list[Given]:
    try:
        lines = [line for line in path.read_text().splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise WorkloadError(f"{path} can't be read as text: {error}") from error
    if not lines:
        raise WorkloadError(f"{path} holds no sequence")
    return [_sequence_of(line, f"{path}, sequence {number}") for number, line in enumerate(lines, 1)]


def _sequence_of(line: str, where: str) -> Given:
    try:
        sequence = json.loads(line)
        array = np.asarray(sequence)
    except (ValueError, RecursionError) as error:
        raise WorkloadError(f"{where} is not JSON, or its frames differ in length: {error}") from error
    if isinstance(sequence, str) and sequence:
        return sequence
    if not isinstance(sequence, list) or array.dtype.kind not in _NUMERIC_KINDS or array.ndim not in (1, 2):
        raise WorkloadError(f"{where} is neither frames, nor tokens, nor a text")
    if not array.size:
        raise WorkloadError(f"{where} is empty")
    return sequence


def synthetic_sequences(
    manifest: model_pb2.Model, *, seed: int, frame_counts: tuple[int, int] | None = None
) -> list[Array]:
    """Return made-up sequences: normal numbers or uniform tokens.

    Lengths are uniform from the shortest to the longest of `frame_counts`, or of those that the model was trained on.
    Raises WorkloadError when the model's frames are of a type or shape that cannot be guessed, or would take too much
    memory.
    """
    rng = np.random.default_rng(seed)
    shortest, longest = frame_counts or _SYNTHETIC_FRAMES
    if manifest.training.max_frames and frame_counts is None:
        shortest, longest = max(1, manifest.training.min_frames), manifest.training.max_frames
    lengths = rng.integers(shortest, longest, size=_SYNTHETIC_SEQUENCES, endpoint=True)
    frames = manifest.signature.frames
    if frames.data_type == tensor_pb2.DATA_TYPE_FLOAT32 and len(frames.shape) == 3 and frames.shape[2] > 0:
        _bound_memory(lengths, bytes_per_frame=4 * frames.shape[2])
        return [rng.normal(size=(count, frames.shape[2])).astype(np.float32) for count in lengths]
    if frames.data_type == tensor_pb2.DATA_TYPE_INT64 and manifest.signature.token_count > 0:
        _bound_memory(lengths, bytes_per_frame=8)
        return [rng.integers(manifest.signature.token_count, size=count, dtype=np.int64) for count in lengths]
    raise WorkloadError(f"no frames can be made up for {manifest.name!r}: give some in a file")


def _bound_memory(lengths: Array, *, bytes_per_frame: int) -> None:
    if (wanted := int(lengths.sum()) * bytes_per_frame) > _MOST_SYNTHETIC_BYTES:
        raise WorkloadError(
            f"{len(lengths)} sequences of up to {lengths.max()} frames would take {wanted / 2**30:.1f} GiB, and more "
            f"than {_MOST_SYNTHETIC_BYTES / 2**30:.0f} aren't made up: shorten --lengths, or give some in a file"
        )


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
