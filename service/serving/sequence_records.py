"""Sequences in a store: what is written of one, sealed together with what it is of, and the refusal of any other."""

from __future__ import annotations

import secrets
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

from google.protobuf.message import DecodeError

from service.core.errors import Reason, ServiceError
from service.sealing.sealer import BrokenSealError, UnknownKeyError
from service.serving.session_state import FORM, StateError, unpack
from service.serving.state_origin import fingerprint_sha256, model_sha256
from service.serving.store_metrics import Operation, Outcome
from service.store.store import Stored, StoreError
from soloist.v1.session_state_pb2 import SessionState, TokenHead
from soloist.v1.stored_sequence_pb2 import AnsweredRequest, SequenceRecord, StoredSequence

if TYPE_CHECKING:
    from service.loading.servable import Servable
    from service.serving.session_state import Restored
    from service.serving.store_metrics import StoreMetrics
    from service.store.store import SequenceStore

# No two writes have the same fence, even if two servers answer the same request.
_FENCE_BYTES = 16
Answer = TypeVar("Answer")


class Seal(Protocol):
    """What seals records: with keys, or a digest without."""

    def seal(self, text: bytes, bound: bytes) -> bytes:
        """Return `text`, sealed together with `bound`."""

    def open(self, sealed: bytes, bound: bytes) -> bytes:
        """Return the text."""


class Record(NamedTuple):
    """A sequence as it was found: its fence, what it is of, where it is, and its last request."""

    fence: bytes
    head: TokenHead
    sequence: StoredSequence

    @property
    def has_ended(self) -> bool:
        """Return whether only its last answer is left."""
        return not self.sequence.HasField("state")


class SequenceRecords:
    """The sequences of all servers that share a store. Belongs to the event loop."""

    def __init__(
        self,
        store: SequenceStore,
        seal: Seal,
        metrics: StoreMetrics,
        *,
        max_bytes: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Create them.

        Args:
            store: where they are.
            seal: seals and opens them.
            metrics: their metrics.
            max_bytes: the largest record.
            clock: returns the seconds since 1970.

        """
        self._store, self._seal, self.metrics, self._max_bytes = store, seal, metrics, max_bytes
        self._clock = clock

    async def load(self, key: str, *, begins: bool) -> Record | None:
        """Return a sequence, None if there is none. What has expired, and is still there, counts as ended.

        Args:
            key: its key.
            begins: whether it is to begin again; then what can't be read counts as ended, too.

        Raises:
            ServiceError: SEQUENCE_STORE_UNAVAILABLE, SEQUENCE_KEY_UNKNOWN or SEQUENCE_STATE_INVALID.

        """
        stored = await self._asked(Operation.READ, self._store.load(key))
        if stored is None:
            self.metrics.done(Operation.READ, Outcome.MISSING)
            return None
        self.metrics.moved(Operation.READ, len(stored.value))
        ended = Record(stored.fence, TokenHead(), StoredSequence())
        try:
            record = self._opened(key, stored)
        except ServiceError:
            self.metrics.done(Operation.READ, Outcome.REFUSED)
            if begins:
                return ended
            raise
        is_over = record.head.expires_ms / 1000 <= self._clock()
        self.metrics.done(Operation.READ, Outcome.MISSING if is_over else Outcome.OK)
        return ended if is_over else record

    async def save(
        self,
        key: str,
        servable: Servable,
        state: bytes | None,
        last: AnsweredRequest | None,
        *,
        before: Record | None,
        seconds: float,
    ) -> bool:
        """Write where a sequence is now.

        Args:
            key: its key.
            servable: its version.
            state: from service.serving.session_state; None if it has ended.
            last: its last request, if that can be known again.
            before: what was found; None if there was nothing.
            seconds: how long it is kept.

        Returns:
            False if another server has written meanwhile; then nothing is changed.

        Raises:
            ServiceError: SEQUENCE_STATE_TOO_LARGE or SEQUENCE_STORE_UNAVAILABLE.

        """
        head = TokenHead(
            model=servable.name,
            version=servable.version,
            model_sha256=model_sha256(servable),
            fingerprint_sha256=fingerprint_sha256(),
            expires_ms=round((self._clock() + seconds) * 1000),
            state_form=FORM,
        ).SerializeToString()
        sequence = StoredSequence(last=last, state=None if state is None else SessionState.FromString(state))
        fence = secrets.token_bytes(_FENCE_BYTES)
        sealed = self._seal.seal(sequence.SerializeToString(), _bound(key, fence, head))
        value = SequenceRecord(head=head, sequence=sealed).SerializeToString()
        if len(value) > self._max_bytes:
            raise ServiceError(
                Reason.SEQUENCE_STATE_TOO_LARGE,
                model=servable.name,
                record_bytes=len(value),
                max_bytes=self._max_bytes,
            )
        expected = None if before is None else before.fence
        writing = self._store.save(key, Stored(fence, value), expected=expected, seconds=seconds)
        is_saved = await self._asked(Operation.WRITE, writing)
        self.metrics.done(Operation.WRITE, Outcome.OK if is_saved else Outcome.CONFLICT)
        self.metrics.moved(Operation.WRITE, len(value))
        return is_saved

    async def _asked(self, operation: Operation, question: Awaitable[Answer]) -> Answer:
        began = time.perf_counter()
        try:
            return await question
        except StoreError:
            self.metrics.done(operation, Outcome.FAILED)
            raise ServiceError(Reason.SEQUENCE_STORE_UNAVAILABLE) from None
        finally:
            self.metrics.took(operation, time.perf_counter() - began)

    def _opened(self, key: str, stored: Stored) -> Record:
        try:
            parts = SequenceRecord.FromString(stored.value)
            # Nothing of it is looked at before the seal has held.
            raw = self._seal.open(parts.sequence, _bound(key, stored.fence, parts.head))
            return Record(stored.fence, TokenHead.FromString(parts.head), StoredSequence.FromString(raw))
        except UnknownKeyError:
            raise ServiceError(Reason.SEQUENCE_KEY_UNKNOWN) from None
        except (BrokenSealError, DecodeError):
            raise ServiceError(Reason.SEQUENCE_STATE_INVALID) from None


def restored(record: Record, servable: Servable) -> Restored:
    """Return the state of a sequence for this version.

    Raises:
        ServiceError: SEQUENCE_STATE_FOREIGN, SEQUENCE_MACHINE_DIFFERS or SEQUENCE_STATE_INVALID.

    """
    head = record.head
    if head.model_sha256 != model_sha256(servable):
        raise ServiceError(Reason.SEQUENCE_STATE_FOREIGN, what="file of this version")
    if head.state_form != FORM:
        raise ServiceError(Reason.SEQUENCE_STATE_FOREIGN, what="release")
    if head.fingerprint_sha256 != fingerprint_sha256():
        raise ServiceError(Reason.SEQUENCE_MACHINE_DIFFERS)
    try:
        return unpack(record.sequence.state.SerializeToString(), servable)
    except StateError:
        raise ServiceError(Reason.SEQUENCE_STATE_INVALID) from None


def _bound(key: str, fence: bytes, head: bytes) -> bytes:
    return b"".join(len(part).to_bytes(8) + part for part in (key.encode(), fence, head))
