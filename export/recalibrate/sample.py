"""The sampled sequences of a recalibration, in order of time: the earlier half estimates, the later judges.

Shape suffixes: N sequences.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from export.errors import ExportError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from soloist.sampled_sequences import SampledSequence


@dataclass(frozen=True, kw_only=True)
class Halves:
    """Neighbours in time may be alike, so the cut goes through time and not through the list at random."""

    estimate: Sequence[SampledSequence]
    judge: Sequence[SampledSequence]


def newest(sampled: Sequence[SampledSequence], seconds: float) -> list[SampledSequence]:
    """Leave out what began more than so many seconds before the newest: statistics of two kinds of traffic fit none."""
    last = max((each.first_seen_seconds for each in sampled), default=0.0)
    return [each for each in sampled if each.first_seen_seconds >= last - seconds]


def halves(sampled: Sequence[SampledSequence]) -> Halves:
    """Cut a sample in two. Raises ExportError when it is too small for that."""
    if len(sampled) < 2:
        raise ExportError(f"a sample of {len(sampled)} sequences can't be halved")
    ordered = sorted(sampled, key=lambda each: each.first_seen_seconds)
    middle = len(ordered) // 2
    return Halves(estimate=ordered[:middle], judge=ordered[middle:])


def read_labels(path: Path, classes: Sequence[str]) -> dict[str, int]:
    """Read a CSV file with columns prediction_id and label: class by prediction id. The first stands, as on a server.

    Raises ExportError for a file without these columns, or a label that is no class.
    """
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = csv.DictReader(file)
        if not {"prediction_id", "label"} <= set(rows.fieldnames or ()):
            raise ExportError(f"{path}: the first line has to name the columns prediction_id and label")
        try:
            found: dict[str, int] = {}
            for row in rows:
                found.setdefault(row["prediction_id"], list(classes).index(row["label"]))
            return found
        except ValueError as error:
            raise ExportError(f"{path}: {error}") from error


def labelled(sampled: Sequence[SampledSequence], labels: Mapping[str, int]) -> tuple[list[NDArray[Any]], NDArray[Any]]:
    """Pick the sequences whose label is known, by the id of their last answer that has one: frames, and classes [N]."""
    known = [
        (each.frames, [labels[answer] for answer in each.prediction_ids if answer in labels][-1])
        for each in sampled
        if any(answer in labels for answer in each.prediction_ids)
    ]
    return [frames for frames, _ in known], np.array([label for _, label in known], np.int64)
