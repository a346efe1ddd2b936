"""Streams that another server can continue: when they get their tokens, and how this server ends them."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

from service.core.errors import Reason, ServiceError
from service.core.time_limits import TimeLimit
from service.serving.prediction_ids import SequenceIds, now_ms
from service.serving.resume_token import ResumeTokens, restored
from service.serving.session_state import pack
from soloist.v1.sequence_inference_pb2 import RESUME_TOKENS_UNSPECIFIED, RESUME_TOKENS_WITH_ANSWERS, Ended

if TYPE_CHECKING:
    from collections.abc import Iterator

    from service.loading.servable import Servable
    from service.repository import Repository
    from service.serving.resume_metrics import ResumeMetrics
    from service.serving.resume_token import Opened
    from service.serving.session import Session
    from soloist.v1.sequence_inference_pb2 import Open, StreamRequest

# Why a chunk is refused that may be taken a moment later.
_NO_ROOM = frozenset({Reason.MEMORY_FULL, Reason.CLIENT_LIMIT, Reason.SESSION_STATE_FULL})
# Streams that began together don't all end together.
_SPREAD = 0.1


class Resumption:
    """All streams with tokens. Belongs to the event loop."""

    def __init__(self, tokens: ResumeTokens, metrics: ResumeMetrics, *, max_age_seconds: float) -> None:
        """Create it without streams.

        Args:
            tokens: makes and opens tokens.
            metrics: where tokens are counted.
            max_age_seconds: a stream that lasts longer is ended; 0: none.

        """
        self.tokens = tokens
        self.metrics = metrics
        self._max_age_seconds = max_age_seconds
        self._streams: set[ResumableStream] = set()
        self._draining = False

    def route(self, opening: Open, repository: Repository, client: str) -> tuple[Servable, Opened | None]:
        """Return the version that answers a client's stream, and its token if it continues a sequence.

        Raises:
            ServiceError: the token is refused, or the version doesn't serve here, or its states are too large.

        """
        if not opening.resume_token:
            return repository.route(opening.model, opening.version, opening.version_label), None
        try:
            opened = self.tokens.open(opening.resume_token, client)
            if opening.model != opened.head.model:
                raise ServiceError(Reason.RESUME_TOKEN_FOREIGN, what="model")
            if opening.version_label or opening.version not in (0, opened.head.version):
                raise ServiceError(Reason.RESUME_TOKEN_FOREIGN, what="version")
            return repository.route(opened.head.model, opened.head.version), opened
        except ServiceError as error:
            self.metrics.refused(error.reason)
            raise

    @contextmanager
    def stream(self, opening: Open, session: Session, opened: Opened | None, client: str) -> Iterator[ResumableStream]:
        """Continue a sequence, or begin one that can be continued, for the length of a block.

        Raises:
            ServiceError: the token is of another file or machine, or there is no room for a token or the state.

        """
        if opening.resume_tokens != RESUME_TOKENS_UNSPECIFIED:
            self.tokens.require_room(session.servable)
        if opened is None:
            session.restore(SequenceIds(), session.states, 0, None)
        else:
            try:
                session.restore(*restored(opened, session.servable))
            except ServiceError as error:
                self.metrics.refused(error.reason)
                raise
            self.metrics.continued()
        stream = ResumableStream(self, opening, session, client)
        del opening, opened  # they hold a token, and its state
        if stream.has_tokens:
            yield from self._ending(stream)
        else:
            yield stream

    def end_streams(self) -> None:
        """End all streams that have tokens, now or as soon as their chunk is answered: the server drains."""
        self._draining = True
        for stream in list(self._streams):
            stream.end(ServiceError(Reason.SERVER_DRAINING))

    def _ending(self, stream: ResumableStream) -> Iterator[ResumableStream]:
        timer = None
        if self._max_age_seconds:
            seconds = self._max_age_seconds * (1 - random.uniform(0, _SPREAD))
            too_old = ServiceError(Reason.STREAM_TOO_OLD, seconds=round(seconds, 3))
            timer = asyncio.get_running_loop().call_later(seconds, stream.end, too_old)
        if self._draining:
            stream.end(ServiceError(Reason.SERVER_DRAINING))
        self._streams.add(stream)
        try:
            yield stream
        finally:
            self._streams.discard(stream)
            if timer is not None:
                timer.cancel()


class ResumableStream:
    """One stream that has tokens, or that came with one."""

    def __init__(self, resumption: Resumption, opening: Open, session: Session, client: str) -> None:
        self.has_tokens = opening.resume_tokens != RESUME_TOKENS_UNSPECIFIED
        self._resumption = resumption
        self._session = session
        self._client = client
        self._every = max(1, opening.resume_token_frames)
        self.with_answers = opening.resume_tokens == RESUME_TOKENS_WITH_ANSWERS
        # Frames at the last token.
        self._sealed_at = session.frame_count if opening.resume_token else -1
        self._end: ServiceError | None = None
        self._reading = TimeLimit()
        # True once the server has ended it, and the token of its end is to be sent.
        self._has_ended = False
        self._last: Ended | None = None

    def end(self, why: ServiceError) -> None:
        """End the stream with a token, as soon as no chunk is being answered."""
        self._end = self._end or why
        self._reading.expire()

    def first_token(self) -> bytes:
        """Return the token for the beginning of the stream, empty if there is none."""
        return self._token() if self.with_answers else b""

    def token_of_answer(self) -> bytes:
        """Return the token of the answer that leaves now, empty if it has none."""
        session = self._session
        since = session.frame_count - self._sealed_at
        if self.with_answers and (since >= self._every or not since):  # a repeat gets its token again
            return self._token()
        return b""

    def ends_with_token(self, error: ServiceError) -> bool:
        """Return whether the stream that an error ends gets its last token before it.

        A chunk that there is no room for has changed nothing. Where answers have tokens, the caller has the last one.
        """
        refused = error.reason in _NO_ROOM and not self.with_answers
        return self.has_tokens and (self._has_ended or refused)

    def evicted(self) -> None:
        """Make the last token while the session still has its state."""
        if self.has_tokens:
            self._last, self._has_ended = self.last_message(), True

    def last_message(self) -> Ended:
        """Return what is sent last."""
        return self._last or Ended(resume_token=self._token(), frame_count=self._session.frame_count)

    def reading(self, requests: AsyncIterator[StreamRequest]) -> AsyncIterator[StreamRequest]:
        """Return the messages of the caller, which end with the reason of `end`."""
        return _Reading(self, requests) if self.has_tokens else requests

    async def next_of(self, requests: AsyncIterator[StreamRequest]) -> StreamRequest:
        """Return the next message.

        Raises:
            ServiceError: `end` was called, or the message can't be read, or none arrived in time.

        """
        if self._end is None:
            try:
                with self._reading:
                    return await anext(requests)
            except TimeoutError:
                pass
            except ServiceError as error:
                self._has_ended = self._has_ended or error.reason is Reason.SESSION_IDLE
                raise
        self._has_ended = True
        raise self._end or ServiceError(Reason.INTERNAL)

    def _token(self) -> bytes:
        session, ids = self._session, self._session.ids
        assert ids is not None  # noqa: S101 — `Resumption.stream` has set them
        if session.frame_count != self._sealed_at:  # else answers after the token before would get other ids
            ids.ms, self._sealed_at = now_ms(), session.frame_count
        self._resumption.metrics.sealed.inc()
        return self._resumption.tokens.seal(pack(session, ids), session.servable, self._client)


class _Reading:
    """Not a generator, which would have to be closed."""

    def __init__(self, stream: ResumableStream, requests: AsyncIterator[StreamRequest]) -> None:
        self._stream = stream
        self._requests = requests

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> StreamRequest:
        return await self._stream.next_of(self._requests)
