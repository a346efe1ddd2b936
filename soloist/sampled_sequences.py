"""The sampled sequences of a model's traffic, and a file of them that needs no unpickling."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

# One .npz of plain arrays: all frames one after the other, then a value per sequence, then one id per answer.
_NAMES = ("frames", "frame_counts", "sequence_ids", "first_seen_seconds", "last_seen_seconds")
_ANSWERS = ("prediction_ids", "answer_counts")


@dataclass(frozen=True, kw_only=True, eq=False)
class SampledSequence:
    """One sequence so far: [time, feature] numbers or [time] tokens, and the prediction ids, in order."""

    sequence_id: str
    first_seen_seconds: float
    last_seen_seconds: float
    frames: npt.NDArray[Any]
    prediction_ids: tuple[str, ...]


def save_sample(path: Path, sequences: Iterable[SampledSequence]) -> int:
    """Write sequences of one model, and return their number.

    Raises:
        ValueError: There are none.

    """
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
    """Load a file of `save_sample`.

    Raises:
        ValueError: It is another file.
        OSError: It can't be read.

    """
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
