"""The sequences that clients name, on servers that share a store: a session lives for one request.

It is read before the request runs and written before the answer leaves, so any server may answer the next one.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from hashlib import blake2b
from typing import TYPE_CHECKING

from service.core.errors import Reason, ServiceError
from service.serving.prediction_ids import SequenceIds, now_ms
from service.serving.sequence_records import Record, SequenceRecords, restored
from service.serving.session_metrics import SessionEnd
from service.serving.session_state import pack
from soloist.oip.grpc_service_pb2 import ModelInferResponse
from soloist.v1.stored_sequence_pb2 import AnsweredRequest

if TYPE_CHECKING:
    from service.api.oip.parameters import Step
    from service.api.oip.sequences import Key, Sequences
    from service.loading.servable import Servable
    from service.serving.call import Call
    from service.serving.inference import Serving
    from service.serving.session import Session
    from soloist.oip.grpc_service_pb2 import ModelInferRequest

_DIGEST_BYTES = 16
# Larger requests are digested on another thread.
_LONG_BYTES = 2**18


class StoredLease:
    """The use of a stored sequence by one request."""

    def __init__(
        self, stored: StoredSequences, key: Key, record: Record | None, request: AnsweredRequest | None
    ) -> None:
        self._stored, self._key = stored, key
        self._record, self._request = record, request
        self._session: Session | None = None
        self._goes_on = False
        # The answer, if the request was answered before.
        self.answered = stored.answer(record, request)

    @property
    def session(self) -> Session:
        """Return the session of a sequence that goes on.

        Raises:
            ServiceError: SEQUENCE_NOT_FOUND.

        """
        if self._session is None:
            raise ServiceError(Reason.SEQUENCE_NOT_FOUND, **self._facts())
        return self._session

    def resume(self, client: str) -> None:
        """Open a session where the sequence is, if there is one.

        Raises:
            ServiceError: its version doesn't serve here, or isn't the same, or there is no room for the session.

        """
        record = self._record
        if record is None or record.has_ended:
            return
        servable = self._stored.serving.repository.route(record.head.model, record.head.version)
        ids, states, frame_count, last = restored(record, servable)
        session = self.begin(servable, client)
        session.restore(ids, states, frame_count, last)
        self._goes_on = True

    def begin(self, servable: Servable, client: str = "") -> Session:
        """Open the session of a new sequence, for a client.

        Raises:
            ServiceError: TOO_MANY_SESSIONS, CLIENT_LIMIT or SESSION_STATE_FULL.

        """
        session = self._session = self._stored.serving.sessions.begin(servable, client)
        session.restore(SequenceIds(), session.states, 0, None)
        return session

    async def keep(self, response: ModelInferResponse, *, ends: bool) -> ModelInferResponse | None:
        """Write where the session is, with the answer that is about to leave.

        Returns:
            The answer that another server has given to the same request meanwhile; None if this one counts.

        Raises:
            ServiceError: it couldn't be written, another server has answered another request, or the store has
                forgotten the sequence.

        """
        session, ids, last = self.session, self.session.ids, self._request
        assert ids is not None  # noqa: S101 — `begin` has set them
        ids.ms = now_ms()
        if last is not None:
            last.response = response.SerializeToString()
        state = None if ends else pack(session, ids)
        before = self._record
        while not await self._is_saved(state, before):
            found = await self._stored.records.load(self._stored.key(self._key), begins=False)
            if found is None and before is not None:
                # Nobody has answered: the store has forgotten it, and what begins anew can do without.
                if self._goes_on:
                    raise ServiceError(Reason.SEQUENCE_NOT_FOUND, **self._facts())
                before = None
                continue
            answer = self._stored.answer(found, last)
            if answer is None:
                raise ServiceError(Reason.SEQUENCE_CONFLICT, **self._facts())
            return answer
        return None

    async def _is_saved(self, state: bytes | None, before: Record | None) -> bool:
        stored, servable = self._stored, self.session.servable
        seconds = servable.idle_seconds(stored.serving.limits.idle_seconds)
        key = stored.key(self._key)
        return await stored.records.save(key, servable, state, self._request, before=before, seconds=seconds)

    def _facts(self) -> dict[str, str]:
        return {"model": self._key.model, "sequence": repr(self._key.sequence_id)}

    def end(self, reason: SessionEnd) -> None:
        """Free the session, if there is one."""
        if self._session is not None:
            self._stored.serving.sessions.end(self._session, reason)
            self._session = None


class StoredSequences:
    """All stored sequences, of all clients and servers. Belongs to the event loop."""

    def __init__(self, records: SequenceRecords, serving: Serving, turns: Sequences) -> None:
        """Create them.

        Args:
            records: where they are.
            serving: the parts of the server.
            turns: lets requests of one sequence wait for each other on this server.

        """
        self.records, self.serving, self._turns = records, serving, turns

    @asynccontextmanager
    async def lease(self, key: Key, call: Call, request: ModelInferRequest, step: Step) -> AsyncIterator[StoredLease]:
        """Lease a sequence to one request; others that have come to this server wait, in order.

        Raises:
            ServiceError: the sequence can't be read, or can't go on here.

        """
        known = await self._known(request, step)
        async with self._turns.lease(key):
            record = await self.records.load(self.key(key), begins=step.start)
            lease = StoredLease(self, key, record, known)
            try:
                if record is not None and lease.answered is not None:
                    call.model, call.version = record.head.model, str(record.head.version)
                elif not step.start:
                    lease.resume(call.client)
                yield lease
            finally:
                lease.end(SessionEnd.STORED)

    def key(self, key: Key) -> str:
        """Return the key in the store: it tells nothing of names and ids."""
        return blake2b(repr(tuple(key)).encode(errors="surrogatepass"), digest_size=2 * _DIGEST_BYTES).hexdigest()

    def answer(self, record: Record | None, request: AnsweredRequest | None) -> ModelInferResponse | None:
        """Return the answer to a request that was answered last, None if it is another one.

        Raises:
            ServiceError: SEQUENCE_REQUEST_CONFLICT: another one had the same id.

        """
        if record is None or request is None or not record.sequence.HasField("last"):
            return None
        last = record.sequence.last
        if last.id_digest != request.id_digest:
            return None
        if last.digest != request.digest:
            raise ServiceError(Reason.SEQUENCE_REQUEST_CONFLICT)
        self.records.metrics.repeats.inc()
        return ModelInferResponse.FromString(last.response)

    async def _known(self, request: ModelInferRequest, step: Step) -> AnsweredRequest | None:
        """Return by what a request is known when it comes again; None if it says neither its id nor its place."""
        if not request.id and step.first_frame is None:
            return None
        if request.ByteSize() > _LONG_BYTES:
            digest = await self.serving.off_loop(partial(_digest_of, request))
        else:
            digest = _digest_of(request)
        return AnsweredRequest(id_digest=_digest(repr((request.id, step.first_frame)).encode()), digest=digest)


def _digest_of(request: ModelInferRequest) -> bytes:
    return _digest(request.SerializeToString(deterministic=True))


def _digest(raw: bytes) -> bytes:
    return blake2b(raw, digest_size=_DIGEST_BYTES).digest()
