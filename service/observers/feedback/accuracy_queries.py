"""The queries for accuracy: answers and labels of a window in the log, by version and slice. They block."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from typing import Any

from service.observers.feedback.accuracy import ALL, BATCH, BINS, LENGTH, POSITION, SLICES, Bin, Tally, VersionTally
from service.observers.feedback.database import id_at, snapshot
from service.observers.feedback.logged_answers import read_classes

Identity = tuple[str, int, str]
_UNKNOWN: tuple[Identity, tuple[str, ...]] = (("", 0, ""), ())
# The length of a stream is what the window has seen of it; that of a whole sequence is in its answer.
_SEEN = """
WITH streams AS MATERIALIZED (
    SELECT version, sequence, max(first_frame + frame_count) AS frames FROM predictions
    WHERE id >= :since AND sequence IS NOT NULL GROUP BY version, sequence
)
"""
_STREAMS = "LEFT JOIN streams AS s ON s.version = p.version AND s.sequence = p.sequence"
_LENGTH, _BATCH = LENGTH.sql("coalesce(s.frames, p.first_frame + p.frame_count)"), BATCH.sql("p.batch_size")
_ANSWERED = f"{_LENGTH} AS length, {POSITION.sql('p.first_frame + p.frame_count')} AS position, {_BATCH} AS batch"
_JUDGED = f"{_LENGTH} AS length, {POSITION.sql('m.step + 1')} AS position, {_BATCH} AS batch"
_MATCHED = "JOIN predictions AS p ON p.id = m.id AND p.version = m.version"
# A bin has its upper edge, as in the manifest's own calibration error.
_SCALED = f"m.confidence * {BINS}"
_BIN = f"max(0, cast({_SCALED} AS INTEGER) - ({_SCALED} = cast({_SCALED} AS INTEGER)))"
_CELL = "GROUP BY 1, length, position, batch"
_ANSWERS = f"""
{_SEEN} SELECT p.version, {_ANSWERED}, count(*), count(p.confidence), total(p.confidence)
FROM predictions AS p {_STREAMS} WHERE p.id >= :since {_CELL}
"""
_LABELLED = f"""
{_SEEN} SELECT p.version, {_ANSWERED}, count(*)
FROM (SELECT DISTINCT id, version FROM matches WHERE id >= :since) AS m {_MATCHED} {_STREAMS} {_CELL}
"""
_LABELS = f"""
{_SEEN} SELECT p.version, {_JUDGED}, {_BIN} AS bin,
    count(*), total(m.truth = m.predicted), total(m.confidence)
FROM matches AS m {_MATCHED} {_STREAMS} WHERE m.id >= :since {_CELL}, bin
"""
_SEQUENCES = f"""
{_SEEN} SELECT version, {{bucket}} AS bucket, count(DISTINCT sequence) FROM (
    SELECT p.version, coalesce(p.sequence, p.id) AS sequence, {_JUDGED}
    FROM matches AS m {_MATCHED} {_STREAMS} WHERE m.id >= :since
) GROUP BY version, bucket
"""
_CONFUSION = "SELECT version, truth, predicted, count(*) FROM matches WHERE id >= :since GROUP BY 1, 2, 3"


class AccuracyQueries:
    """The queries on one log. Belongs to one thread at a time."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def count(self, since_ms: int) -> dict[Identity, VersionTally]:
        """Return the tallies of answers since a time, by (model, version, normaliser).

        Rows of an unknown version are left out. A class beyond those of its version, which an earlier release may have
        written, agrees with no label, and isn't in the confusion.

        Raises:
            sqlite3.Error: the log can't be read.

        """
        since = {"since": id_at(since_ms)}
        found: dict[Identity, VersionTally] = {}
        with snapshot(self._db):
            versions = self._versions()

            def of(key: int) -> VersionTally:
                identity, classes = versions.get(key, _UNKNOWN)
                return found.setdefault(identity, VersionTally(class_count=len(classes)))

            self._add(_ANSWERS, since, of, _add_answers)
            self._add(_LABELLED, since, of, _add_labelled)
            self._add(_LABELS, since, of, _add_labels)
            self._add_sequences(since, of)
            for key, truth, predicted, count in self._db.execute(_CONFUSION, since):
                classes = versions.get(key, _UNKNOWN)[1]
                if truth < len(classes) and predicted < len(classes):
                    of(key).confusion[classes[truth], classes[predicted]] += count
        found.pop(_UNKNOWN[0], None)
        return found

    def _versions(self) -> dict[int, tuple[Identity, tuple[str, ...]]]:
        rows = self._db.execute("SELECT key, model, version, norm, classes FROM versions")
        return {key: ((model, version, norm), read_classes(classes)) for key, model, version, norm, classes in rows}

    def _add(
        self, query: str, since: dict[str, bytes], of: Callable[[int], VersionTally], add: Callable[..., None]
    ) -> None:
        for key, length, position, batch, *counts in self._db.execute(query, since):
            for tally in _cells(of(key), length, position, batch):
                add(tally, *counts)

    def _add_sequences(self, since: dict[str, bytes], of: Callable[[int], VersionTally]) -> None:
        # A sequence may be in several buckets, so these counts don't add up.
        for expression, slice_ in (("0", None), *((each.name, each) for each in SLICES)):
            for key, bucket, count in self._db.execute(_SEQUENCES.format(bucket=expression), since):
                place = (slice_.name, slice_.bucket(bucket)) if slice_ else (ALL, ALL)
                of(key).of(*place).labelled_sequences += count


def _cells(tally: VersionTally, *numbers: int) -> Iterator[Tally]:
    yield tally.of(ALL, ALL)
    for slice_, number in zip(SLICES, numbers, strict=True):
        yield tally.of(slice_.name, slice_.bucket(number))


def _add_answers(tally: Tally, answers: int, confident: int, confidence_sum: float) -> None:
    tally.answers += answers
    tally.confident_answers += confident
    tally.confidence_sum += confidence_sum


def _add_labelled(tally: Tally, answers: int) -> None:
    tally.labelled_answers += answers


def _add_labels(tally: Tally, number: int | None, labels: int, correct: Any, confidence_sum: float) -> None:
    tally.labels += labels
    tally.correct += int(correct)
    if number is not None:
        bin_ = tally.bins.setdefault(number, Bin())
        bin_.labels += labels
        bin_.correct += int(correct)
        bin_.confidence_sum += confidence_sum
