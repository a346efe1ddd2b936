"""The sessions that nothing is asked of, longest first: those that go when there is no room for others."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from itertools import islice
from typing import Generic, Protocol, TypeVar

from service.core.errors import Reason, ServiceError
from service.core.time_limits import TimeLimit

# Called with how long a session was idle, when it is evicted: it has its state for the last time.
OnEvicted = Callable[[float], None]

# So many go for one newcomer at most, however large its state is. It also bounds how long the event loop is held.
_MOST_FOR_ONE = 16


class _Session(Protocol):
    state_bytes: int


S = TypeVar("S", bound=_Session)


class IdleSessions(Generic[S]):
    """Idle sessions in the order in which they became idle. Belongs to the event loop."""

    def __init__(self, evict_after_seconds: float) -> None:
        """Create it without sessions.

        Args:
            evict_after_seconds: how long a session must have been idle before it may be evicted.

        """
        self._evict_after_seconds = evict_after_seconds
        # In a plain dict the first entry is found ever more slowly, as entries before it are removed.
        self._idle: OrderedDict[S, tuple[float, OnEvicted]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._idle)

    def add(self, session: S, on_evicted: OnEvicted) -> None:
        """Add a session: from now on nothing of it waits or runs."""
        self._idle[session] = time.monotonic(), on_evicted

    def remove(self, session: S) -> None:
        """Remove a session, if it is here."""
        self._idle.pop(session, None)

    def victims(self, sessions: int, state_bytes: int) -> list[tuple[S, Callable[[], None]]]:
        """Return whom to evict for so much room, the longest idle first; nobody if that isn't to be had.

        Each comes with what to call when it is evicted, while it still has its state.
        """
        now = time.monotonic()
        victims: list[tuple[S, Callable[[], None]]] = []
        for session, (since, on_evicted) in islice(self._idle.items(), _MOST_FOR_ONE):
            if now - since < self._evict_after_seconds:
                break
            victims.append((session, partial(on_evicted, now - since)))
            sessions -= 1
            state_bytes -= session.state_bytes
            if sessions <= 0 and state_bytes <= 0:
                return victims
        return []


class IdleStream(Generic[S]):
    """The block in which a stream waits for its next message, and may be evicted. It may begin again once it is over.

    Raises:
        ServiceError: SESSION_EVICTED. The session has ended.

    """

    def __init__(self, sessions: IdleSessions[S], session: S, on_evicted: Callable[[], None] | None = None) -> None:
        """Create the block; `on_evicted` is called while the evicted session still has its state."""
        self._sessions = sessions
        self._session = session
        self._on_evicted = on_evicted
        self._limit = TimeLimit()
        self._idle_seconds = 0.0

    def __enter__(self) -> None:
        self._limit.__enter__()
        self._sessions.add(self._session, self._evicted)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        self._sessions.remove(self._session)
        try:
            self._limit.__exit__(kind, error, trace)
        except TimeoutError:
            raise ServiceError(Reason.SESSION_EVICTED, idle_seconds=round(self._idle_seconds, 3)) from None

    def _evicted(self, idle_seconds: float) -> None:
        self._idle_seconds = idle_seconds
        self._limit.expire()
        if self._on_evicted is not None:
            self._on_evicted()
