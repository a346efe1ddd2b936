"""The session of one sequence: its state, how far it is, and its last answer."""

from __future__ import annotations

import secrets
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING

from service.core.errors import Reason, ServiceError
from service.engine.row import WHOLE, Position
from service.serving.answered import Answered, digest_of

if TYPE_CHECKING:
    from service.engine.row import States
    from service.loading.servable import Servable
    from service.serving.prediction_ids import SequenceIds
    from soloist.v1.sequence_inference_pb2 import Chunk

# This many hexadecimal digits of a session's id make a number that fits into an int32.
_NUMBER_DIGITS = 7


class Session:
    """The state of one stream: its number of frames, the model's states, and the last answer."""

    def __init__(self, servable: Servable, hold: Callable[[int], None] = lambda _: None) -> None:
        """Create the session of a new stream.

        Args:
            servable: the version that answers it.
            hold: called with the number of further bytes that it holds; raises to refuse them.

        """
        self.id = secrets.token_hex(16)
        self.ref = weakref.ref(self)
        self.client = ""
        self.servable = servable
        self.states: States = servable.runner.initial_states()
        # Including those of the last answer.
        self.state_bytes = servable.runner.state_bytes
        self._hold = hold
        self.frame_count = 0
        # False if the caller sent states: the server doesn't know what came before them.
        self.from_initial_state = True
        self.last: Answered | None = None
        # Set if another server may continue the sequence.
        self.ids: SequenceIds | None = None

    def position(self, *, ends: bool = False, sequence_id: int | str | None = None) -> Position:
        """Return the position of the next frames, for a model that has it as an input.

        `sequence_id` is the caller's name for the sequence, None if it has none.
        """
        if not self.servable.takes_position:
            return WHOLE
        own = int(self.id[:_NUMBER_DIGITS], 16) or 1
        return Position(starts=not self.frame_count, ends=ends, sequence_id=own if sequence_id is None else sequence_id)

    def answered(self, chunk: Chunk) -> bytes | None:
        """Return the ChunkResult, written, that answered a chunk that was sent before, None if it is the next one.

        Raises:
            ServiceError: there is a gap, an overlap, or other frames at a position that was answered.

        """
        if chunk.first_frame == self.frame_count:
            return None
        facts = {"first_frame": chunk.first_frame, "expected_first_frame": self.frame_count}
        if chunk.first_frame > self.frame_count:
            raise ServiceError(Reason.CHUNK_GAP, **facts)
        last = self.last
        if last is None or chunk.first_frame != last.first_frame:
            raise ServiceError(Reason.CHUNK_OVERLAP, **facts)
        if digest_of(chunk) != last.digest:
            raise ServiceError(Reason.CHUNK_CONFLICT, **facts)
        if not last.result:
            raise ServiceError(Reason.ANSWER_NOT_CARRIED, **facts, answer_bytes=last.result_bytes)
        return last.result

    def require_place(self, first_frame: int | None) -> None:
        """Refuse frames that aren't the next ones; None if the caller doesn't say.

        Raises:
            ServiceError: CHUNK_GAP or CHUNK_OVERLAP.

        """
        if first_frame is None or first_frame == self.frame_count:
            return
        reason = Reason.CHUNK_GAP if first_frame > self.frame_count else Reason.CHUNK_OVERLAP
        raise ServiceError(reason, first_frame=first_frame, expected_first_frame=self.frame_count)

    def restore(self, ids: SequenceIds, states: States, frame_count: int, last: Answered | None) -> None:
        """Continue a new session where another one of the sequence was.

        Raises:
            ServiceError: SESSION_STATE_FULL.

        """
        self.ids, self.id = ids, ids.session_id
        self._take(states, frame_count, last)

    def carry(self, states: States, frame_count: int) -> None:
        """Continue from `states`, which are `frame_count` frames further.

        Raises:
            ServiceError: SESSION_STATE_FULL: the states have grown. The session is unchanged.

        """
        self._take(states, frame_count, None)

    def advance(self, chunk: Chunk, frame_count: int, states: States, result: bytes) -> None:
        """Continue after the frames of the next chunk, and keep its answer, a ChunkResult, for a repeat.

        Raises:
            ServiceError: SESSION_STATE_FULL. The session is unchanged.

        """
        first, digest = chunk.first_frame, digest_of(chunk)
        kept = Answered(first_frame=first, digest=digest, result=result, result_bytes=len(result))
        self._take(states, frame_count, kept)

    def forget(self) -> None:
        """Free what it holds; nothing is asked of it any more."""
        self.states, self.last = {}, None

    def _take(self, states: States, frame_count: int, last: Answered | None) -> None:
        servable = self.servable
        grows = servable.states_grow
        state_bytes = sum(int(each.nbytes) for each in states.values()) if grows else servable.runner.state_bytes
        state_bytes += len(last.result) if last else 0
        if state_bytes != self.state_bytes:
            self._hold(state_bytes - self.state_bytes)
            self.state_bytes = state_bytes
        self.states, self.last = states, last
        self.frame_count += frame_count
