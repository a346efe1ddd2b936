"""What the log holds of one answer: who gave it, and the class at each of its frames."""

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
    """A version that answers: model, version and normaliser as they are shown, and its classes by index."""

    identity: tuple[str, str, str]
    classes: tuple[str, ...]

    def index(self, name: str) -> int | None:
        """Return a class's index."""
        return self.classes.index(name) if name in self.classes else None

    def name(self, label: Label) -> str | None:
        """Return the class that a label tells; None when there is no such class here."""
        if label.class_index is not None:
            return self.classes[label.class_index] if label.class_index < len(self.classes) else None
        return label.name if label.name in self.classes else None


@dataclass(frozen=True, kw_only=True, slots=True)
class LoggedAnswer:
    """What one version, by its key, said to one sequence or chunk, at its last frame."""

    id: bytes
    version: int
    is_shadow: bool
    first_frame: int
    frame_count: int
    predicted: int
    confidence: float | None

    @property
    def last_frame(self) -> int:
        """Index in the sequence of its last frame."""
        return self.first_frame + self.frame_count - 1


class LoggedAnswers:
    """Reads answers. Belongs to one connection."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self.version = lru_cache(maxsize=256)(self._version)

    def of(self, prediction_id: bytes) -> list[LoggedAnswer]:
        """Return what was said under an id: the answer first, then what its shadows said."""
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

    def at(self, answer: LoggedAnswer, step: int) -> tuple[int, float | None] | None:
        """Return class and calibrated confidence at one frame of the sequence; None where they weren't logged."""
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
        if found is None:  # nobody's: no class of it is known
            return Version(identity=("", "", ""), classes=())
        model, version, norm, classes = found
        return Version(identity=(model, str(version), norm), classes=read_classes(classes))


def read_classes(text: str) -> tuple[str, ...]:
    """Read the names of a version's classes; none where the text isn't ours: one row must not cost the others."""
    try:
        return tuple(str(each) for each in json.loads(text))
    except (ValueError, TypeError):
        return ()
