"""The sequences that clients name: sessions that live from request to request, in order, and end when idle."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple

from service.api.oip.parameters import SequenceId
from service.core.errors import Reason, ServiceError
from service.serving.session_metrics import SessionEnd

if TYPE_CHECKING:
    from service.loading.servable import Servable
    from service.serving.session import Session
    from service.serving.sessions import Sessions
    from soloist.oip.grpc_service_pb2 import ModelInferResponse

# How many evicted sequences are remembered, so that a late request gets the reason.
_REMEMBERED = 10_000
_DIGEST_BYTES = 16


class Key(NamedTuple):
    """The key of a sequence: model and version as requested, the caller's id, and the caller where that is known."""

    model: str
    version: str
    sequence_id: SequenceId
    client: str = ""


@dataclass(slots=True)
class _Place:
    """One sequence: its session once it has begun, the requests that wait for it, when it ends if unused."""

    session: Session | None = None
    users: int = 0
    idle_seconds: float = 0.0
    timer: asyncio.TimerHandle | None = None
    turns: asyncio.Lock = field(default_factory=asyncio.Lock)


class SequenceLease:
    """The exclusive use of a sequence by one request."""

    # No request is known to have come before: only a store keeps answers.
    answered: ModelInferResponse | None = None

    def __init__(self, sequences: Sequences, key: Key, place: _Place) -> None:
        self._sequences = sequences
        self._key = key
        self._place = place

    @property
    def session(self) -> Session:
        """Return the session of a sequence that has begun.

        Raises:
            ServiceError: SEQUENCE_NOT_FOUND or SEQUENCE_EVICTED.

        """
        if self._place.session is None:
            raise self._sequences.why_missing(self._key)
        return self._place.session

    def begin(self, servable: Servable, client: str = "") -> Session:
        """Open the session of a sequence that isn't open, for a client.

        Raises:
            ServiceError: TOO_MANY_SESSIONS, CLIENT_LIMIT or SESSION_STATE_FULL.

        """
        self._place.session = self._sequences.begin(self._key, servable, client)
        self._place.idle_seconds = servable.idle_seconds(self._sequences.idle_seconds)
        return self._place.session

    async def keep(self, _response: ModelInferResponse, *, ends: bool) -> ModelInferResponse | None:  # noqa: ARG002
        """Do nothing: the session stays here."""
        return None

    def end(self, reason: SessionEnd) -> None:
        """Free the session, if there is one."""
        self._sequences.free(self._place, reason)


class Sequences:
    """All sequences of all clients, unary and streamed. Belongs to the event loop."""

    def __init__(self, sessions: Sessions, *, idle_seconds: float) -> None:
        self._sessions = sessions
        self.idle_seconds = idle_seconds
        self._places: dict[Key, _Place] = {}
        # Evicted sequences and after how many seconds, by digest: a digest takes little memory, whatever the key.
        self._evicted: OrderedDict[bytes, float] = OrderedDict()

    @asynccontextmanager
    async def lease(self, key: Key) -> AsyncIterator[SequenceLease]:
        """Lease a sequence to one request; its other requests wait, in the order in which they arrived."""
        place = self._places.setdefault(key, _Place())
        place.users += 1
        if place.timer is not None:
            place.timer.cancel()
            place.timer = None
        if place.session is not None:
            self._sessions.idle.remove(place.session)
        try:
            async with place.turns:
                yield SequenceLease(self, key, place)
        finally:
            place.users -= 1
            self._leave(key, place)

    def why_missing(self, key: Key) -> ServiceError:
        """Return why there is no such sequence."""
        facts = {"model": key.model, "sequence": repr(key.sequence_id)}
        idle_seconds = self._evicted.get(_digest(key))
        if idle_seconds is not None:
            return ServiceError(Reason.SEQUENCE_EVICTED, **facts, idle_seconds=idle_seconds)
        return ServiceError(Reason.SEQUENCE_NOT_FOUND, **facts)

    def begin(self, key: Key, servable: Servable, client: str = "") -> Session:
        """Open a session for a client, and forget an earlier eviction.

        Raises:
            ServiceError: TOO_MANY_SESSIONS, CLIENT_LIMIT or SESSION_STATE_FULL.

        """
        session = self._sessions.begin(servable, client)
        self._evicted.pop(_digest(key), None)
        return session

    def free(self, place: _Place, reason: SessionEnd) -> None:
        """Free the session of a place, if there is one."""
        if place.session is not None:
            self._sessions.end(place.session, reason)
            place.session = None

    def _leave(self, key: Key, place: _Place) -> None:
        if place.users:
            return
        if place.session is None:
            del self._places[key]
        else:
            place.timer = asyncio.get_running_loop().call_later(place.idle_seconds, self._expire, key, place)
            self._sessions.idle.add(place.session, partial(self._evict, key, place))

    def _expire(self, key: Key, place: _Place) -> None:
        """End a sequence that nobody has used for too long."""
        self.free(place, SessionEnd.IDLE)
        self._remove(key, place.idle_seconds)

    def _evict(self, key: Key, place: _Place, idle_seconds: float) -> None:
        """Note that the session of a sequence was ended to make room."""
        place.session = None
        if place.timer is not None:
            place.timer.cancel()
            place.timer = None
        self._remove(key, round(idle_seconds, 3))

    def _remove(self, key: Key, idle_seconds: float) -> None:
        del self._places[key]
        self._evicted[_digest(key)] = idle_seconds
        if len(self._evicted) > _REMEMBERED:
            self._evicted.popitem(last=False)


def _digest(key: Key) -> bytes:
    return blake2b(repr(key).encode(errors="surrogatepass"), digest_size=_DIGEST_BYTES).digest()
