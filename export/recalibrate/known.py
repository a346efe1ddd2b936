"""What is known of the answers to sampled sequences: their true classes, and what a shadow said.

Shape suffixes: N sequences.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from export.errors import ExportError
from service.observers.feedback.evidence import Evidence, read_evidence

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from service.observers.feedback.evidence import FrameClass
    from soloist.sampled_sequences import SampledSequence


class Known(NamedTuple):
    """A class by its index, at one frame of the sequence; without `step` at the last one."""

    class_index: int
    step: int | None = None


@dataclass(frozen=True, kw_only=True)
class Judgements:
    """By prediction id: true classes, and those of the shadow version that answered most; 0 without any."""

    labels: Mapping[str, Known] = field(default_factory=dict)
    shadow: Mapping[str, Known] = field(default_factory=dict)
    shadow_version: int = 0


class Judged(NamedTuple):
    """Sequences up to the frame whose class is known, and these classes: [N]."""

    frames: list[NDArray[Any]]
    classes: NDArray[np.int64]


def judgements(
    sampled: Sequence[SampledSequence], classes: Sequence[str], *, log: Path | None, labels: Mapping[str, int]
) -> Judgements:
    """Put together what a prediction log knows of a sample, and what `labels` say of answers that it has no label of.

    Raises LogFileError for a log that can't be read.
    """
    ids = [answer for each in sampled for answer in each.prediction_ids]
    found = read_evidence(log, ids) if log else Evidence()
    version = max(found.shadows, key=lambda version: len(found.shadows[version]), default=0)
    return Judgements(
        labels={answer: Known(index) for answer, index in labels.items()} | _by_index(found.labels, classes),
        shadow=_by_index(found.shadows.get(version, {}), classes),
        shadow_version=version,
    )


def judged(sampled: Sequence[SampledSequence], known: Mapping[str, Known]) -> Judged:
    """Pick the sequences of which a class is known, by the last of their answers that has one."""
    frames, classes = [], []
    for each in sampled:
        found = [known[answer] for answer in each.prediction_ids if answer in known]
        # Only the beginning of a sequence may have been kept.
        if found and (found[-1].step is None or found[-1].step < len(each.frames)):
            frames.append(each.frames if found[-1].step is None else each.frames[: found[-1].step + 1])
            classes.append(found[-1].class_index)
    return Judged(frames, np.array(classes, np.int64))


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


def _by_index(named: Mapping[str, FrameClass], classes: Sequence[str]) -> dict[str, Known]:
    """Return what names one of `classes`."""
    places = {name: place for place, name in enumerate(classes)}
    return {answer: Known(places[said.name], said.step) for answer, said in named.items() if said.name in places}
