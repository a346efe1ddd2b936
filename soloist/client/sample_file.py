"""Sampled sequences as a file: one .npz of plain arrays, which needs no unpickling."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from soloist.client.norm_skew import SampledSequence

# All frames one after the other, then a value a sequence, then one id an answer.
_NAMES = ("frames", "frame_counts", "sequence_ids", "first_seen_seconds", "last_seen_seconds")
_ANSWERS = ("prediction_ids", "answer_counts")


def save_sample(path: Path, sequences: Iterable[SampledSequence]) -> int:
    """Write sequences of one model; returns how many there were. Raises ValueError when there are none."""
    found = list(sequences)
    if not found:
        raise ValueError("the server has kept no sequences yet")
    with path.open("wb") as file:
        np.savez(
            file,
            frames=np.concatenate([each.frames for each in found]),
            frame_counts=np.array([len(each.frames) for each in found]),
            sequence_ids=np.array([each.sequence_id for each in found]),
            first_seen_seconds=np.array([each.first_seen_seconds for each in found]),
            last_seen_seconds=np.array([each.last_seen_seconds for each in found]),
            prediction_ids=np.array([answer for each in found for answer in each.prediction_ids]),
            answer_counts=np.array([len(each.prediction_ids) for each in found]),
        )
    return len(found)


def load_sample(path: Path) -> list[SampledSequence]:
    """Read what `save_sample` wrote. Raises ValueError for another file, OSError for one that can't be read."""
    try:
        with path.open("rb") as content, np.load(content, allow_pickle=False) as file:
            frames, counts, ids, first, last = (file[name] for name in _NAMES)
            answers, answer_counts = (file[name] for name in _ANSWERS)
    except (KeyError, EOFError, ValueError, TypeError, AttributeError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} holds no sampled sequences") from error
    pieces = np.split(frames, np.cumsum(counts)[:-1])
    answered = np.split(answers, np.cumsum(answer_counts)[:-1])
    return [
        SampledSequence(
            sequence_id=str(ids[index]),
            first_seen_seconds=float(first[index]),
            last_seen_seconds=float(last[index]),
            frames=pieces[index],
            prediction_ids=tuple(map(str, answered[index])),
        )
        for index in range(len(counts))
    ]
