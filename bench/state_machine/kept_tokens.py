"""What outlives a server: its keys, and the resume tokens that callers have kept, with what each has to continue."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from service.sealing.keys_file import Key, new_key

TOKEN_SECONDS = 10.0
_KEPT = 20
_ID_TIME_DIGITS = 12


@dataclass(frozen=True)
class SentChunk:
    """A chunk as its caller sent it."""

    first_frame: int
    frames: tuple[float, ...]


@dataclass(frozen=True)
class Place:
    """How far a sequence is: frames, the state after them, the last chunk, and the bytes of its answer."""

    frame: int = 0
    state: int = 0
    last: SentChunk | None = None
    answer: bytes = b""


@dataclass(eq=False)
class AnswerIds:
    """The ids of a sequence's answers, whoever gave them."""

    _unique: dict[int, str] = field(default_factory=dict)
    _whole: dict[tuple[object, int], str] = field(default_factory=dict)

    def agrees(self, given: str, first_frame: int, origin: object | None) -> bool:
        """Return whether an id is that of earlier answers at this frame; `origin` is the token before it."""
        unique = given[_ID_TIME_DIGITS:]
        whole = given if origin is None else self._whole.setdefault((origin, first_frame), given)
        return self._unique.setdefault(first_frame, unique) == unique and whole == given


@dataclass(frozen=True, kw_only=True)
class Seal:
    """What a token is from the moment in which it was sealed, whenever its caller reads it."""

    key: Key
    expires_at: float
    frame: int


@dataclass(frozen=True, eq=False)
class Token:
    """A token, and what it has to continue. Tokens of one place of one stream have one `origin`."""

    raw: bytes
    place: Place
    ids: AnswerIds
    origin: object


class Fleet:
    """What all servers of a history share."""

    def __init__(self) -> None:
        self.keys = [new_key(seals_from=0)]
        self.seals: dict[bytes, Seal] = {}
        self.tokens: deque[Token] = deque(maxlen=_KEPT)

    def newest(self) -> Key:
        """Return the key that seals."""
        return self.keys[-1]

    def by_id(self, key_id: bytes) -> Key | None:
        """Return a key that opens."""
        return next((key for key in self.keys if key.id == key_id), None)

    def rotate(self, *, removes: bool) -> None:
        """Let a new key seal; the old ones open as long as they are there."""
        self.keys = [*([] if removes else self.keys[-2:]), new_key(seals_from=0)]
