"""The ids of answers: 12 hexadecimal digits of milliseconds since 1970, so that ids sort by time, and 20 others.

Nobody can guess the id of another's answer, and so label it. For most answers 8 of the others are the process's, and 12
are random. For those of a sequence that another server may continue they follow from a secret key of the sequence and
from the first frame, and the time is that of the last resume token before the answer: so whichever server answers a
chunk, its id is the same, and it counts once. Before such a sequence has a token, nobody can continue it, and the time
is that of the answer.
"""

from __future__ import annotations

import os
import secrets
import time
from hashlib import blake2b

_KEY_BYTES = 16
_UNIQUE_BYTES = 10
_PROCESS_BYTES = 4
_RANDOM_BYTES = _UNIQUE_BYTES - _PROCESS_BYTES
# To ask the system for random bits takes longer than all else, so it is asked for many at once.
_DRAWN_AT_ONCE = 256


class _Drawn:
    """What ids of this process end with: its own digits, and random ones that were drawn before they are needed."""

    def __init__(self) -> None:
        self.process = secrets.token_hex(_PROCESS_BYTES)
        self.endings: list[str] = []

    def more(self) -> str:
        """Draw many endings, and return one of them."""
        digits, step = os.urandom(_DRAWN_AT_ONCE * _RANDOM_BYTES).hex(), 2 * _RANDOM_BYTES
        endings = [self.process + digits[at : at + step] for at in range(0, len(digits), step)]
        last = endings.pop()
        self.endings.extend(endings)
        return last


_drawn = _Drawn()
os.register_at_fork(after_in_child=_drawn.__init__)  # type: ignore[misc]  # a child has digits of its own


def new_prediction_id() -> str:
    """Return an id that never was, and that nobody can guess."""
    try:
        unique = _drawn.endings.pop()
    except IndexError:
        unique = _drawn.more()
    return f"{time.time_ns() // 1_000_000:012x}{unique}"


def now_ms() -> int:
    """Return the milliseconds since 1970."""
    return time.time_ns() // 1_000_000


class SequenceIds:
    """The ids of one sequence that another server may continue. `ms` is their time, None before it has a token."""

    __slots__ = ("key", "ms", "session_id")

    def __init__(self, key: bytes = b"", ms: int | None = None) -> None:
        """Create the ids of a new sequence, or those of the sequence with this key."""
        self.key = key or secrets.token_bytes(_KEY_BYTES)
        self.ms = ms
        # It appears in logs, and tells nothing of the ids of answers.
        self.session_id = blake2b(key=self.key, digest_size=_KEY_BYTES, person=b"session").hexdigest()

    def at(self, first_frame: int) -> str:
        """Return the id of the answer to the chunk that begins there."""
        first = first_frame.to_bytes(8)
        unique = blake2b(first, key=self.key, digest_size=_UNIQUE_BYTES, person=b"prediction").hexdigest()
        return f"{now_ms() if self.ms is None else self.ms:012x}{unique}"
