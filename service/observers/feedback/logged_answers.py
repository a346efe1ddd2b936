"""The logged answers: which version answered, and the class at each frame."""

from __future__ import annotations

import json
import sqlite3
from array import array
from dataclasses import dataclass
from functools import lru_cache

from service.observers.feedback.label import Label

_ROWS = """
SELECT version, is_shadow, first_frame, frame_count, class, confidence FROM predictions WHERE id = ? ORDER BY is_shadow
"""


@dataclass(frozen=True, kw_only=True)
class Version:
    """A version with answers: model, version and normaliser as shown, and its classes by index."""

    identity: tuple[str, str, str]
    classes: tuple[str, ...]

    def index(self, name: str) -> int | None:
        """Return the index of a class."""
        return self.classes.index(name) if name in self.classes else None

    def name(self, label: Label) -> str | None:
        """Return the class of a label; None if the version has no such class."""
        if label.class_index is not None:
            return self.classes[label.class_index] if label.class_index < len(self.classes) else None
        return label.name if label.name in self.classes else None


@dataclass(frozen=True, kw_only=True, slots=True)
class LoggedAnswer:
    """The answer of one version, by its key, to one sequence or chunk, at its last frame."""

    id: bytes
    version: int
    is_shadow: bool
    first_frame: int
    frame_count: int
    predicted: int
    confidence: float | None

    @property
    def last_frame(self) -> int:
        """Return the index of its last frame in the sequence."""
        return self.first_frame + self.frame_count - 1


class LoggedAnswers:
    """The reader of answers. Belongs to one connection."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self.version = lru_cache(maxsize=256)(self._version)

    def of(self, prediction_id: bytes) -> list[LoggedAnswer]:
        """Return the answers of an id: that of the caller first, then those of shadows."""
        return [
            LoggedAnswer(
                id=prediction_id,
                version=version,
                is_shadow=bool(is_shadow),
                first_frame=first_frame,
                frame_count=frame_count,
                predicted=predicted,
                confidence=confidence,
            )
            for version, is_shadow, first_frame, frame_count, predicted, confidence in self._db.execute(
                _ROWS, (prediction_id,)
            )
        ]

    def owner(self, prediction_id: bytes) -> str | None:
        """Return the client that got an answer, if it had to show who it is."""
        found = self._db.execute("SELECT client FROM owners WHERE id = ?", (prediction_id,)).fetchone()
        return None if found is None else str(found[0])

    def at(self, answer: LoggedAnswer, step: int) -> tuple[int, float | None] | None:
        """Return class and calibrated confidence at one frame of the sequence; None if they weren't logged."""
        if step == answer.last_frame:
            return answer.predicted, answer.confidence
        if not answer.first_frame <= step < answer.last_frame:
            return None
        query = "SELECT classes, confidences FROM frames WHERE id = ? AND version = ?"
        found = self._db.execute(query, (answer.id, answer.version)).fetchone()
        if found is None:
            return None
        classes, confidences = array("i", found[0]), array("f", found[1])
        place = len(classes) - 1 - (answer.last_frame - step)
        return (classes[place], confidences[place]) if place >= 0 else None

    def _version(self, key: int) -> Version:
        query = "SELECT model, version, norm, classes FROM versions WHERE key = ?"
        found = self._db.execute(query, (key,)).fetchone()
        if found is None:  # an unknown version, without classes
            return Version(identity=("", "", ""), classes=())
        model, version, norm, classes = found
        return Version(identity=(model, str(version), norm), classes=read_classes(classes))


def read_classes(text: str) -> tuple[str, ...]:
    """Parse the names of a version's classes; empty if the text isn't ours: one bad row must not cost the others."""
    try:
        return tuple(str(each) for each in json.loads(text))
    except (ValueError, TypeError):
        return ()
