"""The evidence that a log has of given answers: their true classes, and what shadows said to the same frames."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from service.observers.feedback.database import reading
from service.observers.feedback.logged_answers import LoggedAnswers

# Of labels of several frames of an answer, that of the last one.
_LABEL = "SELECT step, class FROM labels WHERE id = ? ORDER BY step DESC LIMIT 1"


class FrameClass(NamedTuple):
    """The class of one frame, counted in the sequence."""

    step: int
    name: str


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """By prediction id: the true class, and for each shadow version its class at the last frame of the answer."""

    labels: Mapping[str, FrameClass] = field(default_factory=dict)
    shadows: Mapping[int, Mapping[str, FrameClass]] = field(default_factory=dict)


def read_evidence(path: Path, prediction_ids: Iterable[str]) -> Evidence:
    """Read what a log knows of these answers; of those that aren't in it, nothing. Blocks.

    Raises:
        LogFileError: there is no log, or it can't be read.

    """
    labels: dict[str, FrameClass] = {}
    shadows: dict[int, dict[str, FrameClass]] = {}
    with reading(path) as db:
        answers = LoggedAnswers(db)
        for prediction_id in prediction_ids:
            key = _key(prediction_id)
            if (label := _label(db, key)) is not None:
                labels[prediction_id] = label
            for answer in answers.of(key):
                version = answers.version(answer.version)
                if answer.is_shadow and answer.predicted < len(version.classes):
                    said = FrameClass(answer.last_frame, version.classes[answer.predicted])
                    shadows.setdefault(int(version.identity[1]), {})[prediction_id] = said
    return Evidence(labels=labels, shadows=shadows)


def _label(db: sqlite3.Connection, key: bytes) -> FrameClass | None:
    found = db.execute(_LABEL, (key,)).fetchone()
    return None if found is None else FrameClass(*found)


def _key(prediction_id: str) -> bytes:
    """Return an id as it stands in the file; one that no server made is in none."""
    try:
        return bytes.fromhex(prediction_id)
    except ValueError:
        return b""
