"""A store that is compared with what it has to hold, whenever a server reads or writes."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from bench.state_machine.kept_tokens import Fleet
from bench.state_machine.room import Room
from bench.state_machine.store_way import StoreWay
from bench.state_machine.stored_truth import StoredTruth, Version, Who
from bench.state_machine.virtual_time import VirtualLoop
from service.core.errors import Reason
from service.core.reasons.error_kind import ErrorKind
from service.sealing.keys_file import Key
from service.store.memory_store import MemoryStore
from service.store.store import Stored, StoreError

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Read:
    """What a server has read: what was `stored`, how much of it counts, or why the request has to be refused."""

    stored: Version | None = None
    counts: Version | None = None
    refusal: ErrorKind | None = None


class Asker(Protocol):
    """A request of a sequence, which notes what its server reads and writes for it."""

    who: Who
    reads: list[Read]
    # None if nobody knows.
    is_saved: bool | None

    def next_version(self, *, key: Key, expires_at: float) -> Version:
        """Return what has to be written."""

    def published(self, prediction_id: str) -> None:
        """Hear that the answer to it counts."""


class SharedStore:
    """The store of all servers of a history, and the way to it."""

    def __init__(self, loop: VirtualLoop) -> None:
        """Create an empty store."""
        self.way = StoreWay(loop)
        self.memory = MemoryStore()
        self.truth = StoredTruth()


@dataclass(kw_only=True)
class WatchedStore:
    """The store as one server sees it."""

    shared: SharedStore
    room: Room
    fleet: Fleet
    idle_seconds: float
    # Who asks in a task of the server.
    askers: dict[asyncio.Task[Any], Asker] = field(default_factory=dict)

    async def load(self, key: str) -> Stored | None:
        """Return what is stored, and note it."""
        asker, shared = self._asker(key), self.shared
        try:
            stored, version = await shared.way.ask(
                lambda: (_at_once(shared.memory.load(key)), shared.truth.at(asker.who, self._now()))
            )
        except StoreError:
            asker.reads.append(Read(refusal=Reason.SEQUENCE_STORE_UNAVAILABLE))
            raise
        # What counts is decided when the answer is there, which may be much later.
        asker.reads.append(self._judged(version))
        if (stored is None) != (version is None):
            self.room.faults.append(f"the store has {stored}, and it should be {version}")
        return stored

    async def save(self, key: str, new: Stored, *, expected: bytes | None, seconds: float) -> bool:
        """Store what was sealed just now, and note whether it is there."""
        asker, shared, before = self._asker(key), self.shared, None
        if asker.reads:
            before = asker.reads[-1].stored
        expires_at = round((self._now() + self.idle_seconds) * 1000) / 1000  # it is written in milliseconds
        version = asker.next_version(key=self.fleet.newest(), expires_at=expires_at)

        def write() -> bool:
            right = shared.truth.write(asker.who, version, before=before, now=self._now(), seconds=self.idle_seconds)
            actual = _at_once(shared.memory.save(key, new, expected=expected, seconds=seconds))
            if actual is not right:
                self.room.faults.append(f"{asker.who} was written: {actual}, and it should be {right}")
            return actual

        asker.is_saved = None
        asker.is_saved = await shared.way.ask(write)
        return asker.is_saved

    async def ping(self) -> None:
        """Answer."""

    async def close(self) -> None:
        """Do nothing."""

    def _judged(self, version: Version | None) -> Read:
        if version is None:
            return Read()
        if version.key not in self.fleet.keys:
            return Read(stored=version, refusal=Reason.SEQUENCE_KEY_UNKNOWN)
        return Read(stored=version, counts=None if version.expires_at <= self._now() else version)

    def _asker(self, key: str) -> Asker:
        task = asyncio.current_task()
        if task is None or task not in self.askers:
            raise RuntimeError("the store is asked, and nobody asks")
        asker = self.askers[task]
        if not self.shared.truth.is_named(asker.who, key):
            self.room.faults.append(f"{asker.who} has the key of another sequence, or two")
        return asker

    def _now(self) -> float:
        return self.room.loop.time()


def _at_once(work: Coroutine[Any, Any, T]) -> T:
    """Return the result of a coroutine that never waits."""
    try:
        work.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    raise RuntimeError("a store in memory waits")
