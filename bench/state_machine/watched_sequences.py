"""Open Inference sequences of one server, and whose each of its sessions is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

from bench.state_machine.room import Owner, Room, WatchedSessions
from bench.state_machine.virtual_time import Moment
from service.api.oip.sequences import Key, SequenceLease, Sequences
from service.serving.session import Session


class SequenceOwner(Owner):
    """The owner of a sequence's session: idle since its last request was done with, if none is in progress."""

    def __init__(self, name: str, idle_seconds: float, room: Room) -> None:
        super().__init__(name, lambda: None if self.users else self.left_at)
        self.idle_seconds, self.loop, self.faults = idle_seconds, room.loop, room.faults
        self.users = 0
        self.left_at: Moment | None = None
        # The state after its last frame; None while there is no sequence.
        self.state: int | None = None
        self.is_expired = False

    def began(self, session: Session) -> None:
        """Hear that the session has begun. It hasn't answered yet."""
        super().began(session)
        self.is_expired = False

    def ended(self, reason: str) -> None:
        """Hear that the session has ended."""
        super().ended(reason)
        if reason != "complete":  # then the answer is yet to be compared
            self.state = None
        self.is_expired = reason == "idle"
        left = self.left_at
        if self.is_expired and (left is None or self.loop.time() - left[0] < self.idle_seconds - 1e-6 or self.users):
            self.faults.append(f"{self.name} expired too early")


class WatchedSequences(Sequences):
    """Sequences that tell which request has which of them."""

    def __init__(
        self, room: Room, sessions: WatchedSessions, owner_of: Callable[[int | str], SequenceOwner], **bounds: Any
    ):
        super().__init__(sessions, **bounds)
        self._room = room
        self._owner_of = owner_of

    @asynccontextmanager
    async def lease(self, key: Key) -> AsyncIterator[SequenceLease]:
        """Lease a sequence, and note for whom."""
        owner, task = self._owner_of(key.sequence_id), asyncio.current_task()
        owner.users += 1
        try:
            async with super().lease(key) as lease:
                if task is not None:
                    self._room.actors[task] = owner
                owner.refused = None
                yield lease
        finally:
            self._room.actors.pop(cast("asyncio.Task[Any]", task), None)
            owner.users -= 1
            owner.left_at = self._room.loop.moment()
