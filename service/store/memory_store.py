"""A store in the memory of this process: for servers that share one process, as in tests."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from service.store.store import Stored


@dataclass(slots=True)
class _Place:
    stored: Stored
    until: float


@dataclass(slots=True)
class MemoryStore:
    """Does what a store does, at once. It lasts as long as the process."""

    _places: dict[str, _Place] = field(default_factory=dict)

    async def load(self, key: str) -> Stored | None:
        """Return what is stored under a key, None if there is nothing."""
        return self._now(key)

    async def save(self, key: str, new: Stored, *, expected: bytes | None, seconds: float) -> bool:
        """Store `new` if the fence is `expected`, and return whether it is there now."""
        here = self._now(key)
        fence = None if here is None else here.fence
        if fence != new.fence:
            if fence != expected:
                return False
            self._places[key] = _Place(new, time.monotonic() + seconds)
        return True

    def keys(self) -> set[str]:
        """Return the keys under which something is stored."""
        return {key for key in list(self._places) if self._now(key) is not None}

    def forget(self, key: str) -> None:
        """Forget a key before its time, as a store does that is full, is emptied or has lost its memory."""
        self._places.pop(key, None)

    async def ping(self) -> None:
        """Answer."""

    async def close(self) -> None:
        """Do nothing: the servers that share it close it each for itself."""

    def _now(self, key: str) -> Stored | None:
        place = self._places.get(key)
        if place is not None and place.until <= time.monotonic():
            del self._places[key]
            return None
        return None if place is None else place.stored
