"""All open sessions, bounded in number and memory."""

from __future__ import annotations

import asyncio
import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from service.core.client_shares import ClientShares, Share
from service.core.errors import Reason, ServiceError
from service.repository.refcounts import Refcounts
from service.serving.idle_sessions import IdleSessions
from service.serving.session import Session
from service.serving.session_metrics import SessionEnd

if TYPE_CHECKING:
    from service.loading.servable import Servable
    from service.serving.session_metrics import SessionMetrics

_UNBOUNDED = sys.maxsize
_ENDS = {
    Reason.SESSION_IDLE: SessionEnd.IDLE,
    Reason.DEADLINE_EXCEEDED: SessionEnd.DEADLINE,
    Reason.SERVER_DRAINING: SessionEnd.DRAINED,
    Reason.STREAM_TOO_OLD: SessionEnd.TOO_OLD,
}


class Sessions:
    """All open sessions, and which of them are `idle`. Belongs to the event loop."""

    def __init__(
        self,
        *,
        max_sessions: int,
        max_state_bytes: int,
        metrics: SessionMetrics,
        refcounts: Refcounts | None = None,
        evict_after_idle_seconds: float = math.inf,
        max_sessions_per_client: int | None = None,
        max_state_bytes_per_client: int | None = None,
    ) -> None:
        """Create an empty set of sessions.

        Args:
            max_sessions: how many may be open.
            max_state_bytes: how much memory they may hold together.
            metrics: their metrics.
            refcounts: counts the sessions of every version.
            evict_after_idle_seconds: how long a session must have been idle to make room for another.
            max_sessions_per_client: how many may be open for one client; None for as many as for all.
            max_state_bytes_per_client: how much memory those may hold; None for as much as all.

        """
        self._refcounts = refcounts or Refcounts()
        self._max_sessions = max_sessions
        own = max_sessions_per_client
        self._counts = ClientShares(Share.SESSIONS, _UNBOUNDED if own is None else own)
        own = max_state_bytes_per_client
        self._sizes = ClientShares(Share.STATE_BYTES, _UNBOUNDED if own is None else own)
        self.shares = (self._counts, self._sizes)
        self._max_state_bytes = max_state_bytes
        self._metrics = metrics
        self._open: set[Session] = set()
        self.idle: IdleSessions[Session] = IdleSessions(evict_after_idle_seconds)
        self._state_bytes = 0
        self._cutting = False

    def __len__(self) -> int:
        return len(self._open)

    def expect_cut(self) -> None:
        """Count sessions that are cancelled from now on as ended by the drain, not by the caller."""
        self._cutting = True

    @contextmanager
    def open(self, servable: Servable, is_past_deadline: Callable[[], bool], client: str = "") -> Iterator[Session]:
        """Open a session for the length of a block. It is freed and counted however the block ends.

        A stream ended by its deadline looks like one that its caller cut; `is_past_deadline` distinguishes them.

        Raises:
            ServiceError: TOO_MANY_SESSIONS, CLIENT_LIMIT or SESSION_STATE_FULL.

        """
        session = self.begin(servable, client)
        end = SessionEnd.ERROR
        try:
            yield session
            end = SessionEnd.COMPLETE
        except ServiceError as error:
            cut = error.reason is Reason.STREAM_CUT
            end = self._why_cut(is_past_deadline) if cut else _ENDS.get(error.reason, SessionEnd.ERROR)
            raise
        except (asyncio.CancelledError, GeneratorExit):
            end = self._why_cut(is_past_deadline)
            raise
        finally:
            self.end(session, end)

    def begin(self, servable: Servable, client: str = "") -> Session:
        """Open a session of a client, which stays open until `end`.

        Raises:
            ServiceError: TOO_MANY_SESSIONS, CLIENT_LIMIT or SESSION_STATE_FULL.

        """
        self._sizes.require_room(client, servable.runner.state_bytes)
        self._counts.take(client)
        try:
            self._make_room(1, servable.runner.state_bytes)
        except ServiceError:
            self._counts.give_back(client)
            raise
        session = Session(servable, partial(self._grow, servable, client))
        session.client = client
        self._open.add(session)
        self._refcounts.begin(servable)
        self._hold(servable, client, 1, session.state_bytes)
        return session

    def end(self, session: Session, reason: SessionEnd) -> None:
        """Free a session, and count the reason. Does nothing if it has ended."""
        if session not in self._open:
            return
        servable = session.servable
        self._open.remove(session)
        self.idle.remove(session)
        self._counts.give_back(session.client)
        self._hold(servable, session.client, -1, -session.state_bytes)
        self._metrics.ended.labels(servable.name, reason).inc()
        self._refcounts.end(servable)

    def _grow(self, servable: Servable, client: str, state_bytes: int) -> None:
        if state_bytes > 0:
            self._sizes.require_room(client, state_bytes)
            self._make_room(0, state_bytes)
        self._hold(servable, client, 0, state_bytes)

    def _make_room(self, sessions: int, state_bytes: int) -> None:
        too_many = len(self._open) + sessions - self._max_sessions
        too_large = self._state_bytes + state_bytes - self._max_state_bytes
        if too_many <= 0 and too_large <= 0:
            return
        victims = self.idle.victims(too_many, too_large)
        for session, on_evicted in victims:
            self.end(session, SessionEnd.EVICTED)
            on_evicted()
            session.forget()
        if victims:
            return
        if too_many > 0:
            raise ServiceError(Reason.TOO_MANY_SESSIONS, sessions=len(self._open), max_sessions=self._max_sessions)
        raise ServiceError(
            Reason.SESSION_STATE_FULL, state_bytes=self._state_bytes, max_state_bytes=self._max_state_bytes
        )

    def _why_cut(self, is_past_deadline: Callable[[], bool]) -> SessionEnd:
        if self._cutting:
            return SessionEnd.DRAINED
        return SessionEnd.DEADLINE if is_past_deadline() else SessionEnd.CANCELLED

    def _hold(self, servable: Servable, client: str, sessions: int, state_bytes: int) -> None:
        self._state_bytes += state_bytes
        self._sizes.give_back(client, -state_bytes)
        if sessions:
            self._metrics.open.labels(servable.name).inc(sessions)
        self._metrics.state_bytes.labels(servable.name).inc(state_bytes)
