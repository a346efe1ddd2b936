"""How many labels of each client the log holds: counted in the file, which servers share, and forgotten with them."""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import TYPE_CHECKING

from service.observers.feedback.database import id_at, ms_of
from service.observers.feedback.label import Outcome

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

# Counts are kept by the time of the answers, in steps of ten minutes, and go when answers of that time do.
_STEP_MS = 600_000
STORED = frozenset({Outcome.JOINED, Outcome.LATE, Outcome.PENDING})
_ADD = """
INSERT INTO label_shares VALUES (?, ?, ?) ON CONFLICT (client, id) DO UPDATE SET labels = labels + excluded.labels
"""


class LabelShareError(Exception):
    """A client would have more labels in the log than its share; it has `held`."""

    def __init__(self, held: int) -> None:
        super().__init__(held)
        self.held = held


def count_labels(db: sqlite3.Connection, client: str, prediction_ids: Iterable[bytes], most: int) -> None:
    """Count labels of a client that were stored, each by the id of its answer; in the caller's transaction.

    Raises:
        LabelShareError: then the transaction has to be undone.

    """
    times = Counter(ms_of(each) // _STEP_MS for each in prediction_ids)
    if not times:
        return
    # Clients may be addresses, which a log of answers has no need to tell.
    digest = hashlib.blake2b(client.encode(), digest_size=16).digest()
    (held,) = db.execute("SELECT coalesce(sum(labels), 0) FROM label_shares WHERE client = ?", (digest,)).fetchone()
    if held + times.total() > most:
        raise LabelShareError(held)
    db.executemany(_ADD, [(digest, id_at(time * _STEP_MS), labels) for time, labels in times.items()])
