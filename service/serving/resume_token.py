"""The resume token: the state of a sequence, sealed together with what it is of, and the refusal of any other."""

from __future__ import annotations

import hmac
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

from google.protobuf.message import DecodeError

from service.core.errors import Reason, ServiceError
from service.sealing.sealer import OVERHEAD_BYTES, BrokenSealError, UnknownKeyError
from service.serving.session_state import FORM, StateError, most_bytes, unpack
from service.serving.state_origin import fingerprint_sha256, model_sha256
from soloist.v1.session_state_pb2 import ResumeToken, TokenHead

if TYPE_CHECKING:
    from collections.abc import Callable

    from service.loading.servable import Servable
    from service.sealing.sealer import Sealer
    from service.serving.session_state import Restored

# A name of a model, digests, numbers.
_HEAD_BYTES = 512


class Opened(NamedTuple):
    """A token whose seal holds: what it is of, and the state, still as bytes."""

    head: TokenHead
    state: bytes


class ResumeTokens:
    """Makes and opens tokens. They expire `seconds` after they were made, and have at most `max_bytes`."""

    def __init__(self, sealer: Sealer, *, seconds: float, max_bytes: int, clock: Callable[[], float]) -> None:
        self._sealer = sealer
        self._seconds = seconds
        self._max_bytes = max_bytes
        self._clock = clock

    def require_room(self, servable: Servable) -> None:
        """Refuse a version whose states are too large for a token.

        Raises:
            ServiceError: RESUME_STATE_TOO_LARGE.

        """
        token_bytes = most_bytes(servable) + OVERHEAD_BYTES + _HEAD_BYTES
        if token_bytes > self._max_bytes:
            facts = {"model": servable.name, "token_bytes": token_bytes, "max_bytes": self._max_bytes}
            raise ServiceError(Reason.RESUME_STATE_TOO_LARGE, **facts)

    def seal(self, state: bytes, servable: Servable, client: str = "") -> bytes:
        """Return the token of a state of this version, for a client; empty: for whoever brings it."""
        head = TokenHead(
            model=servable.name,
            version=servable.version,
            model_sha256=model_sha256(servable),
            fingerprint_sha256=fingerprint_sha256(),
            expires_ms=round((self._clock() + self._seconds) * 1000),
            state_form=FORM,
            client_sha256=_client_sha256(client),
        ).SerializeToString()
        return ResumeToken(head=head, sealed=self._sealer.seal(state, head)).SerializeToString()

    def open(self, token: bytes, client: str = "") -> Opened:
        """Open a token that a client brings; empty: nobody has shown who it is.

        Raises:
            ServiceError: RESUME_TOKEN_INVALID, RESUME_KEY_UNKNOWN, RESUME_CLIENT_DIFFERS or RESUME_TOKEN_EXPIRED.

        """
        if len(token) > self._max_bytes:
            raise ServiceError(Reason.RESUME_TOKEN_INVALID)
        try:
            parts = ResumeToken.FromString(token)
            # Nothing of the head is looked at before the seal has held.
            state = self._sealer.open(parts.sealed, parts.head)
            head = TokenHead.FromString(parts.head)
        except UnknownKeyError:
            raise ServiceError(Reason.RESUME_KEY_UNKNOWN) from None
        except (BrokenSealError, DecodeError):
            raise ServiceError(Reason.RESUME_TOKEN_INVALID) from None
        # Whoever it isn't for learns nothing else of it.
        if head.client_sha256 and not hmac.compare_digest(head.client_sha256, _client_sha256(client)):
            raise ServiceError(Reason.RESUME_CLIENT_DIFFERS)
        expired_seconds = self._clock() - head.expires_ms / 1000
        if expired_seconds > 0:
            raise ServiceError(Reason.RESUME_TOKEN_EXPIRED, expired_seconds=round(expired_seconds))
        return Opened(head, state)


def restored(opened: Opened, servable: Servable) -> Restored:
    """Return the state in a token for this version.

    Raises:
        ServiceError: RESUME_TOKEN_FOREIGN, RESUME_MACHINE_DIFFERS or RESUME_TOKEN_INVALID.

    """
    head = opened.head
    if (head.model, head.version) != (servable.name, servable.version):
        raise ServiceError(Reason.RESUME_TOKEN_FOREIGN, what="model or version")
    if head.model_sha256 != model_sha256(servable):
        raise ServiceError(Reason.RESUME_TOKEN_FOREIGN, what="file of this version")
    if head.state_form != FORM:
        raise ServiceError(Reason.RESUME_TOKEN_FOREIGN, what="release")
    if head.fingerprint_sha256 != fingerprint_sha256():
        raise ServiceError(Reason.RESUME_MACHINE_DIFFERS)
    try:
        return unpack(opened.state, servable)
    except StateError:
        raise ServiceError(Reason.RESUME_TOKEN_INVALID) from None


def _client_sha256(client: str) -> bytes:
    """Return what a token has of its client: nothing if there is none."""
    return sha256(client.encode(errors="surrogatepass")).digest() if client else b""
