"""What a store has to hold of each sequence: a version for every request that was written, fixed when it was sealed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from service.sealing.keys_file import Key


class Who(NamedTuple):
    """A sequence: the client that it belongs to, and its id."""

    client: str
    sequence: int


class Said(NamedTuple):
    """How a request is known when it comes again: its id, and how many frames come before."""

    name: str
    first_frame: int | None


@dataclass(eq=False, kw_only=True)
class Version:
    """Where a sequence is after a request, and the answer to it. No `state`: it has ended."""

    frame: int
    state: int | None
    said: Said | None
    request: bytes
    contents: list[bytes]
    key: Key
    expires_at: float
    # By the time of the store, which begins when it is written.
    gone_at: float = 0.0
    # The answer as a caller has seen it.
    given: bytes | None = None
    published: str | None = None


@dataclass
class StoredTruth:
    """The last version of each sequence. A version is only written over the one that its server has read."""

    _here: dict[Who, Version] = field(default_factory=dict)
    _names: dict[str, Who] = field(default_factory=dict)

    def at(self, who: Who, now: float) -> Version | None:
        """Return the version that is stored, None if there is none or the store has forgotten it."""
        here = self._here.get(who)
        return None if here is None or here.gone_at <= now else here

    def write(self, who: Who, new: Version, *, before: Version | None, now: float, seconds: float) -> bool:
        """Store a version, and return whether it is there now."""
        here = self.at(who, now)
        if here is new:  # the same write came again
            return True
        if here is not before:
            return False
        new.gone_at = now + seconds
        self._here[who] = new
        return True

    def is_named(self, who: Who, name: str) -> bool:
        """Return whether a sequence always has this name in the store, and no other sequence has it."""
        mine = [known for known, owner in self._names.items() if owner == who]
        return self._names.setdefault(name, who) == who and mine in ([], [name])
