"""What a resume token is, noted when it is sealed, and what has to become of it, worked out when it is opened."""

from __future__ import annotations

from bench.state_machine.kept_tokens import TOKEN_SECONDS, Fleet, Seal
from bench.state_machine.room import Room
from service.core.errors import Reason, ServiceError
from service.core.reasons.error_kind import ErrorKind
from service.loading.servable import Servable
from service.sealing.sealer import Sealer
from service.serving.resume_token import Opened, ResumeTokens
from soloist.v1.session_state_pb2 import SessionState

# Tokens say in milliseconds when they expire.
_ROUNDED_SECONDS = 0.001


class WatchedTokens(ResumeTokens):
    """Tokens that are compared with what was noted of them. A caller may read one long after it was sealed."""

    def __init__(self, room: Room, fleet: Fleet, *, max_bytes: int) -> None:
        sealer = Sealer(fleet.newest, fleet.by_id)
        super().__init__(sealer, seconds=TOKEN_SECONDS, max_bytes=max_bytes, clock=room.loop.time)
        self._room, self._fleet = room, fleet

    def seal(self, state: bytes, servable: Servable, client: str = "") -> bytes:
        """Return a token, and note its key, its end and its place."""
        token = super().seal(state, servable, client)
        frame = SessionState.FromString(state).frame_count
        expires_at = self._room.loop.time() + TOKEN_SECONDS
        self._fleet.seals[token] = Seal(key=self._fleet.newest(), expires_at=expires_at, frame=frame)
        return token

    def open(self, token: bytes, client: str = "") -> Opened:
        """Open a token, and note why it was refused."""
        actual: ErrorKind | None = None
        try:
            return super().open(token, client)
        except ServiceError as error:
            actual = self._room.actor().token_refused = error.reason
            raise
        finally:
            if actual not in (right := self._right(token)):
                self._room.faults.append(f"a token was opened: {actual}, and it should be {right}")

    def _right(self, token: bytes) -> set[ErrorKind | None]:
        """Return the reasons for which a token may be refused now; None: it may be taken."""
        seal = self._fleet.seals.get(token)
        if seal is None:  # it was changed, perhaps where the key is named
            return {Reason.RESUME_TOKEN_INVALID, Reason.RESUME_KEY_UNKNOWN}
        if seal.key not in self._fleet.keys:
            return {Reason.RESUME_KEY_UNKNOWN}
        late = self._room.loop.time() - seal.expires_at
        if abs(late) < _ROUNDED_SECONDS:
            return {None, Reason.RESUME_TOKEN_EXPIRED}
        return {Reason.RESUME_TOKEN_EXPIRED if late > 0 else None}
