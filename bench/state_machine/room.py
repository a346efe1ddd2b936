"""Who has to go when there is no room, worked out from what callers see, and compared with what the sessions do."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from bench.state_machine.virtual_time import Moment, VirtualLoop
from service.core.errors import Reason, ServiceError
from service.core.reasons.error_kind import ErrorKind
from service.loading.servable import Servable
from service.serving.session import Session
from service.serving.sessions import Sessions

# As many others as one newcomer may end.
_MOST_FOR_ONE = 16


@dataclass(eq=False)
class Owner:
    """Whose session it is: a stream or a sequence. `idle_since` returns None while something of it is in progress."""

    name: str
    idle_since: Callable[[], Moment | None]
    session: Session | None = None
    is_evicted: bool = False
    refused: ErrorKind | None = None
    token_refused: ErrorKind | None = None

    def began(self, session: Session) -> None:
        """Hear that the session has begun."""
        self.session, self.is_evicted = session, False

    def ended(self, _reason: str) -> None:
        """Hear that the session has ended."""
        self.session = None


@dataclass(eq=False, kw_only=True)
class Room:
    """The owners of all sessions of a replica, and what went wrong."""

    loop: VirtualLoop
    max_sessions: int
    max_state_bytes: int
    evict_after_seconds: float
    faults: list[str] = field(default_factory=list)
    # Who acts in a task of the server.
    actors: dict[asyncio.Task[Any], Owner] = field(default_factory=dict)
    owners: dict[Session, Owner] = field(default_factory=dict)
    begun: int = 0
    ends: Counter[str] = field(default_factory=Counter)

    def actor(self) -> Owner:
        """Return for whom the server is at work."""
        task = asyncio.current_task()
        if task is None or task not in self.actors:
            raise RuntimeError("a session is asked for, and nobody asks")
        return self.actors[task]

    def right(self, sessions: int, state_bytes: int) -> tuple[list[Owner], ErrorKind | None]:
        """Return whom to evict for so much more, or why there is no room."""
        too_many = len(self.owners) + sessions - self.max_sessions
        too_large = self.state_bytes() + state_bytes - self.max_state_bytes
        if too_many <= 0 and too_large <= 0:
            return [], None
        idle = sorted((since, id(each), each) for each in self.owners.values() if (since := each.idle_since()))
        victims: list[Owner] = []
        for moment, _, owner in idle[:_MOST_FOR_ONE]:
            if self.loop.time() - moment[0] < self.evict_after_seconds or owner.session is None:
                break
            victims.append(owner)
            too_many -= 1
            too_large -= owner.session.state_bytes
            if too_many <= 0 and too_large <= 0:
                return victims, None
        full = len(self.owners) + sessions > self.max_sessions
        return [], Reason.TOO_MANY_SESSIONS if full else Reason.SESSION_STATE_FULL

    def state_bytes(self) -> int:
        """Return the bytes of all sessions together."""
        return sum(session.state_bytes for session in self.owners)


class WatchedSessions(Sessions):
    """Sessions that are compared with `Room` whenever one begins, grows or ends."""

    def __init__(self, room: Room, **bounds: Any) -> None:
        super().__init__(
            max_sessions=room.max_sessions,
            max_state_bytes=room.max_state_bytes,
            evict_after_idle_seconds=room.evict_after_seconds,
            **bounds,
        )
        self._room = room
        self._gone: list[Owner] = []

    @property
    def held_bytes(self) -> int:
        """Return how many bytes all sessions together are thought to hold."""
        return self._state_bytes

    def begin(self, servable: Servable, client: str = "") -> Session:
        """Open a session, and note whose it is."""
        session = super().begin(servable, client)
        owner = self._room.actor()
        owner.began(session)
        self._room.owners[session] = owner
        self._room.begun += 1
        return session

    def end(self, session: Session, reason: Any) -> None:
        """Free a session, and note why."""
        owner = self._room.owners.pop(session, None)
        if owner is not None:
            owner.ended(str(reason))
            self._room.ends[str(reason)] += 1
            self._gone.append(owner)
        super().end(session, reason)

    def _make_room(self, sessions: int, state_bytes: int) -> None:
        room, actor = self._room, self._room.actor()
        victims, refusal = room.right(sessions, state_bytes)
        self._gone = []
        actual: ErrorKind | None = None
        try:
            super()._make_room(sessions, state_bytes)
        except ServiceError as error:
            actual = actor.refused = error.reason
            raise
        finally:
            if (self._gone, actual) != (victims, refusal):
                names = [each.name for each in self._gone], [each.name for each in victims]
                room.faults.append(f"evicted {names[0]}, {actual}, and it should be {names[1]}, {refusal}")
            for owner in self._gone:
                owner.is_evicted = True
