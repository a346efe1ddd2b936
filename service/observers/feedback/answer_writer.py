"""The writer of answers to the log, one batch per transaction; it also deletes old ones. On the log's thread."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from service.observers.feedback.answer_record import Record, Row, rows
from service.observers.feedback.database import id_at, transaction
from service.observers.feedback.label_joiner import Joiner
from service.observers.feedback.log_file import LogLostError

if TYPE_CHECKING:
    import sqlite3

    from service.loading.servable import Servable
    from service.observers.feedback.label import Verdict
    from service.observers.feedback.log_file import LogConnection
    from service.observers.feedback.policy import LogPolicy

_PREDICTION = "INSERT OR IGNORE INTO predictions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_VERSION = "INSERT OR IGNORE INTO versions (model, version, norm, classes) VALUES (?, ?, ?, ?)"
_FRAMES = "INSERT OR IGNORE INTO frames VALUES (?, ?, ?, ?)"
# Others write too, so a transaction that deletes must be short.
_DELETED_AT_ONCE = 5_000
_TRIES = 3
# Where labels are that came before their answer was written.
_EARLY = ("labels", "pending", "claims")
_OWNER = "INSERT OR IGNORE INTO owners VALUES (?, ?)"
_BY_ID = ("matches", "labels", "label_shares", "frames", "owners", "predictions")


class LogWriter:
    """One connection that writes answers."""

    def __init__(self, connection: LogConnection, policy: LogPolicy) -> None:
        self._connection = connection
        self._policy = policy
        self._known: _Known | None = None

    def write(self, records: Sequence[Record], now_ms: int) -> list[Verdict]:
        """Write answers, and join the labels that have waited for them.

        Raises:
            sqlite3.Error: nothing is written.
            LogFileError: nothing is written; the file is missing and can't be created.

        """
        found = list(rows(records, self._policy.max_frames))
        for _ in range(_TRIES):
            with suppress(LogLostError), self._connection.using() as db:
                try:
                    verdicts = self._write(self._of(db), found, now_ms)
                except BaseException:
                    # What was cached about versions may have been rolled back with the rest.
                    self._known = None
                    raise
                if self._connection.is_current():
                    return verdicts
            # The file was lost meanwhile, and these answers with it: they are written to the new one.
        raise LogLostError("the prediction log is lost again and again")

    def prune(self, now_ms: int) -> list[Verdict]:
        """Delete answers that are too old or too many, with their labels, and labels whose answers never came.

        Raises:
            sqlite3.Error: the rest is deleted later.
            LogFileError: the file is missing and can't be created.

        """
        with self._connection.using() as db:
            horizon = id_at(now_ms - round(self._policy.max_age_seconds * 1000))
            # One query: between two of them another server may delete what the first has seen.
            query = "SELECT id FROM predictions ORDER BY id DESC LIMIT 1 OFFSET ?"
            oldest = db.execute(query, (self._policy.max_rows - 1,)).fetchone()
            if oldest is not None:
                horizon = max(horizon, oldest[0])
            while _delete_some(db, horizon):
                pass
            with transaction(db):
                return self._of(db).joiner.give_up(now_ms)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _of(self, db: sqlite3.Connection) -> _Known:
        if self._known is None or self._known.db is not db:
            self._known = _Known(db, Joiner(db, self._policy))
        return self._known

    def _write(self, known: _Known, found: Sequence[Row], now_ms: int) -> list[Verdict]:
        with transaction(known.db):
            keys = [(bytes.fromhex(row.record.id), known.key(row.record.servable)) for row in found]
            values = [(*key, *_columns(row)) for key, row in zip(keys, found, strict=True)]
            known.db.executemany(_PREDICTION, values)
            several = [
                (*key, row.classes.tobytes(), row.confidences.tobytes())
                for key, row in zip(keys, found, strict=True)
                if len(row.classes) > 1
            ]
            known.db.executemany(_FRAMES, several)
            owners = [(key[0], row.record.client) for key, row in zip(keys, found, strict=True) if row.record.client]
            if owners:
                known.db.executemany(_OWNER, owners)
            return known.joiner.catch_up(_reported(known.db, keys), now_ms)


class _Known:
    """The cache of one connection: the joiner of labels, and the numbers of versions."""

    def __init__(self, db: sqlite3.Connection, joiner: Joiner) -> None:
        self.db = db
        self.joiner = joiner
        self._keys: WeakKeyDictionary[Servable, int] = WeakKeyDictionary()

    def key(self, servable: Servable) -> int:
        """Return a version's number in the log."""
        key = self._keys.get(servable)
        if key is None:
            manifest = servable.manifest
            identity = (servable.name, servable.version, manifest.norm, json.dumps(list(manifest.labels)))
            self.db.execute(_VERSION, identity)
            query = "SELECT key FROM versions WHERE model = ? AND version = ? AND norm = ? AND classes = ?"
            key = self._keys[servable] = int(self.db.execute(query, identity).fetchone()[0])
        return key


def _reported(db: sqlite3.Connection, keys: Sequence[tuple[bytes, int]]) -> list[tuple[bytes, int]]:
    """Return the answers whose labels came before they were written: few, so the others cost one query."""
    if not keys:
        return []
    first, last = min(keys)[0], max(keys)[0]
    query = " UNION ".join(f"SELECT id FROM {table} WHERE id BETWEEN ?1 AND ?2" for table in _EARLY)  # noqa: S608
    early = {found for (found,) in db.execute(query, (first, last))}
    return [key for key in keys if key[0] in early]


def _delete_some(db: sqlite3.Connection, horizon: bytes) -> bool:
    with transaction(db):
        query = "SELECT id FROM predictions WHERE id < ? ORDER BY id LIMIT 1 OFFSET ?"
        further = db.execute(query, (horizon, _DELETED_AT_ONCE)).fetchone()
        up_to = further[0] if further else horizon
        for table in _BY_ID:
            db.execute(f"DELETE FROM {table} WHERE id < ?", (up_to,))  # noqa: S608  # names of ours
        db.execute("UPDATE forgotten SET up_to = max(up_to, ?)", (up_to,))
    return further is not None


def _columns(row: Row) -> tuple[object, ...]:
    record = row.record
    sequence = None if record.sequence_id == record.id else record.sequence_id
    place = (record.first_frame, record.frame_count, record.is_whole, record.batch_size)
    return (record.is_shadow, sequence, *place, int(row.classes[-1]), float(row.confidences[-1]))
