"""Writes answers to the log, a batch a transaction, and lets go of what has grown old. Belongs to the log's thread."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from service.feedback.database import connect, id_at, transaction
from service.feedback.joining import Joiner
from service.feedback.record import Record, Row, rows

if TYPE_CHECKING:
    from service.engine.servable import Servable
    from service.feedback.label import Verdict
    from service.feedback.policy import LogPolicy

_PREDICTION = "INSERT OR IGNORE INTO predictions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_VERSION = "INSERT OR IGNORE INTO versions (model, version, norm, classes) VALUES (?, ?, ?, ?)"
_FRAMES = "INSERT OR IGNORE INTO frames VALUES (?, ?, ?, ?)"
# Others write too: a transaction that deletes must be short.
_DELETED_AT_ONCE = 5_000
_BY_ID = ("matches", "labels", "frames", "predictions")


class LogWriter:
    """One connection that writes answers."""

    def __init__(self, policy: LogPolicy) -> None:
        self._policy = policy
        self._db = connect(policy.path)
        self._joiner = Joiner(self._db, policy)
        self._keys: WeakKeyDictionary[Servable, int] = WeakKeyDictionary()

    def write(self, records: Sequence[Record], now_ms: int) -> list[Verdict]:
        """Write answers, and join the labels that have waited for them.

        Raises:
            sqlite3.Error: nothing is written.

        """
        found = list(rows(records, self._policy.max_frames))
        try:
            return self._write(found, now_ms)
        except BaseException:
            # What was learned of versions may have been undone with the rest.
            self._keys.clear()
            self._joiner = Joiner(self._db, self._policy)
            raise

    def prune(self, now_ms: int) -> list[Verdict]:
        """Delete what is too old or too much, with its labels; labels that wait in vain go too.

        Raises:
            sqlite3.Error: the rest is deleted another time.

        """
        horizon = id_at(now_ms - round(self._policy.max_age_seconds * 1000))
        (count,) = self._db.execute("SELECT count(*) FROM predictions").fetchone()
        if count > self._policy.max_rows:
            query = "SELECT id FROM predictions ORDER BY id LIMIT 1 OFFSET ?"
            horizon = max(horizon, self._db.execute(query, (count - self._policy.max_rows,)).fetchone()[0])
        while self._delete_some(horizon):
            pass
        with transaction(self._db):
            return self._joiner.give_up(now_ms)

    def close(self) -> None:
        """Close the connection."""
        self._db.close()

    def _write(self, found: Sequence[Row], now_ms: int) -> list[Verdict]:
        with transaction(self._db):
            keys = [(bytes.fromhex(row.record.id), self._key(row.record.servable)) for row in found]
            values = [(*key, *_told(row)) for key, row in zip(keys, found, strict=True)]
            self._db.executemany(_PREDICTION, values)
            several = [
                (*key, row.classes.tobytes(), row.confidences.tobytes())
                for key, row in zip(keys, found, strict=True)
                if len(row.classes) > 1
            ]
            self._db.executemany(_FRAMES, several)
            return self._joiner.catch_up(self._reported(keys), now_ms)

    def _reported(self, keys: Sequence[tuple[bytes, int]]) -> list[tuple[bytes, int]]:
        """Pick the answers that a label came for before they were written: few, so the others cost one look."""
        if not keys:
            return []
        first, last = min(keys)[0], max(keys)[0]
        query = "SELECT id FROM labels WHERE id BETWEEN ? AND ? UNION SELECT id FROM pending WHERE id BETWEEN ? AND ?"
        early = {found for (found,) in self._db.execute(query, (first, last, first, last))}
        return [key for key in keys if key[0] in early]

    def _delete_some(self, horizon: bytes) -> bool:
        with transaction(self._db):
            query = "SELECT id FROM predictions WHERE id < ? ORDER BY id LIMIT 1 OFFSET ?"
            further = self._db.execute(query, (horizon, _DELETED_AT_ONCE)).fetchone()
            up_to = further[0] if further else horizon
            for table in _BY_ID:
                self._db.execute(f"DELETE FROM {table} WHERE id < ?", (up_to,))  # noqa: S608  # names of ours
            self._db.execute("UPDATE forgotten SET up_to = max(up_to, ?)", (up_to,))
        return further is not None

    def _key(self, servable: Servable) -> int:
        key = self._keys.get(servable)
        if key is None:
            manifest = servable.manifest
            identity = (servable.name, servable.version, manifest.norm, json.dumps(list(manifest.labels)))
            self._db.execute(_VERSION, identity)
            query = "SELECT key FROM versions WHERE model = ? AND version = ? AND norm = ? AND classes = ?"
            key = self._keys[servable] = int(self._db.execute(query, identity).fetchone()[0])
        return key


def _told(row: Row) -> tuple[object, ...]:
    record = row.record
    sequence = None if record.sequence_id == record.id else record.sequence_id
    place = (record.first_frame, record.frame_count, record.is_whole, record.batch_size)
    return (record.is_shadow, sequence, *place, int(row.classes[-1]), float(row.confidences[-1]))
