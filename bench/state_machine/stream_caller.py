"""One caller of Stream, and what every answer to it has to be."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from bench.state_machine.calls import OK, Outcome, VirtualCall
from bench.state_machine.chain_model import NAME, POISON, STATE_BYTES, reference
from bench.state_machine.kept_tokens import AnswerIds, Place, SentChunk, Token
from bench.state_machine.replica import Replica
from bench.state_machine.room import Owner
from bench.state_machine.stream_messages import comparable, opening_of, result_of
from bench.state_machine.token_wishes import NO_TOKENS, Spoilt, TokenWish
from soloist.v1 import sequence_inference_pb2 as pb
from soloist.v1 import tensor_pb2

# The server's timer and the transport's may differ by so much.
_SLACK_SECONDS = 0.021
_REFUSALS = {"TOO_MANY_SESSIONS", "SESSION_STATE_FULL"}
_GONE = {("CANCELLED", ""), ("CANCELLED", "STREAM_CUT"), ("DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED")}


class StreamCaller:
    """A stream and its answers: `due` are those that have to come next, `end` is how it has to end after them."""

    def __init__(
        self,
        replica: Replica,
        name: str,
        *,
        every_frame: bool,
        seconds: float | None,
        wish: TokenWish = NO_TOKENS,
        brought: Token | None = None,
        spoilt: Spoilt | None = None,
    ) -> None:
        """Open a stream.

        Args:
            replica: the server.
            name: of the caller.
            every_frame: whether it wants the outputs of all frames.
            seconds: its time limit.
            wish: which tokens it wants.
            brought: the token of the sequence that it continues.
            spoilt: how the opening is spoilt, so that it has to be refused.

        """
        self.replica, self.name = replica, name
        self.call = VirtualCall(replica.loop, name, seconds=seconds, shows_cancels=replica.bounds.shows_cancels)
        self.owner = Owner(name, lambda: self.call.reading_since)
        self._every_frame = every_frame
        self.due: deque[pb.StreamResponse] = deque()
        self._places: deque[Place] = deque()
        self._wish, self._brought, self._spoilt = wish, brought, spoilt
        self._began_at = replica.loop.time()
        self.place = Place() if brought is None else brought.place
        self._ids, self._origin = (AnswerIds(), None) if brought is None else (brought.ids, brought.origin)
        self._sealed_at = -1 if brought is None else brought.place.frame
        self._has_ended = self._was_opened = False
        self._has_ids = wish.has_tokens or brought is not None
        self._owe(pb.StreamResponse(opened=pb.Opened(model=NAME, version=1, first_frame=self.place.frame)), self.place)
        self.end: Outcome | None = None
        self.next_frame, self._state, self.last = self.place.frame, self.place.state, self.place.last
        self.quiet_since = replica.loop.time()
        self.answers = 0
        self.call.on_answer = self._answered
        self.call.on_end = self._ended
        self.call.begin(replica.answer_stream)
        if self.call.task is not None:
            replica.room.actors[self.call.task] = self.owner
        opening = opening_of(wish, brought, spoilt, every_frame=every_frame)
        self._send(pb.StreamRequest(open=opening))

    @property
    def is_over(self) -> bool:
        """Return whether the call has ended."""
        return self.call.outcome is not None

    @property
    def held_bytes(self) -> int | None:
        """Return what the server has to hold of it: state and last answer; None while answers are on their way."""
        if self.due:
            return None
        return STATE_BYTES + len(self.place.answer)

    def chunk(self, first_frame: int, frames: Sequence[float]) -> None:
        """Send a chunk, in its place or not."""
        chunk = SentChunk(first_frame, tuple(frames))
        if self.end is None:
            self._expect(chunk)
        data = np.array(frames, np.float32).tobytes()
        tensor = tensor_pb2.Tensor(data_type=tensor_pb2.DATA_TYPE_FLOAT32, shape=[len(frames), 1], data=data)
        self._send(pb.StreamRequest(chunk=pb.Chunk(first_frame=first_frame, frames=tensor)))

    def close(self) -> None:
        """Complete the sequence."""
        if self.end is None:
            self._owe(pb.StreamResponse(closed=pb.Closed(frame_count=self.next_frame)))
            self.end = OK
        self._send(pb.StreamRequest(close=pb.Close()))
        self.call.send(None)

    def _send(self, message: pb.StreamRequest) -> None:
        self.call.send(message.SerializeToString())

    def _expect(self, chunk: SentChunk) -> None:
        if chunk.first_frame > self.next_frame:
            self.end = ("FAILED_PRECONDITION", "CHUNK_GAP")
        elif chunk.first_frame < self.next_frame:
            self._expect_repeat(chunk)
        elif POISON in chunk.frames:
            self.end = ("INTERNAL", "INTERNAL")
        else:
            outputs, self._state = reference(self._state, chunk.frames)
            chosen = outputs if self._every_frame else outputs[-1:]
            self.last = chunk
            self.next_frame += len(chunk.frames)
            self._owe(result_of(chunk, chosen))

    def _expect_repeat(self, chunk: SentChunk) -> None:
        if self.last is None or chunk.first_frame != self.last.first_frame:
            self.end = ("FAILED_PRECONDITION", "CHUNK_OVERLAP")
        elif chunk != self.last:
            self.end = ("FAILED_PRECONDITION", "CHUNK_CONFLICT")
        else:
            self._owe(pb.StreamResponse())  # the same bytes again

    def _owe(self, due: pb.StreamResponse, place: Place | None = None) -> None:
        self.due.append(due)
        self._places.append(place or Place(self.next_frame, self._state, self.last))

    def _answered(self, raw: bytes) -> None:
        answer = pb.StreamResponse.FromString(raw)
        if answer.HasField("ended") and self._wish.has_tokens and not self._has_ended:
            self._take_last(answer.ended)
            return
        self.quiet_since = self.replica.loop.time()
        if not self.due or self._has_ended:
            self._fault(f"got an answer that nobody asked for: {answer}")
            return
        self.answers += 1
        due, place = self.due.popleft(), self._places.popleft()
        if answer.HasField("opened"):
            self._was_opened = self._wish.has_tokens
            if self._spoilt is not None:
                self._fault("was continued with a token that had to be refused")
        else:
            self.place = place if due.HasField("closed") else self._advanced(place, due, answer.result)
        if not answer.HasField("closed"):
            message = answer.opened if answer.HasField("opened") else answer.result
            self._take_token(message.resume_token)
            message.ClearField("resume_token")
        if due.WhichOneof("message") is None:
            return
        if comparable(answer) != due:
            self._fault(f"got {comparable(answer)} instead of {due}")

    def _ended(self) -> None:
        outcome = self.call.outcome
        if outcome is not None and not self._is_right(outcome):
            self._fault(f"ended with {outcome} instead of {self.end}, answers due {len(self.due)}")
        if self.owner.session is not None:
            self._fault("has ended, and its session hasn't")

    def _is_right(self, outcome: Outcome) -> bool:
        call, replica = self.call, self.replica
        if outcome == self.end and not self.due:
            return True
        if self.owner.is_evicted and outcome[1] == "SESSION_EVICTED":
            told = self._has_ended or not self._wish.has_tokens
            return outcome[0] == "UNAVAILABLE" and len(self.due) <= self.call.unread and told
        if outcome[1].startswith("RESUME_"):
            return self._brought is not None and self._is_refused_for(outcome[1])
        if outcome == ("ABORTED", "STREAM_TOO_OLD"):
            return self._has_ended and call.ended_at - self._began_at >= 0.9 * replica.bounds.max_stream_age_seconds
        if outcome in _GONE:
            is_late = call.ends_at is not None and call.ended_at >= call.ends_at - _SLACK_SECONDS
            return call.is_gone or is_late
        if outcome == ("ABORTED", "SESSION_IDLE"):
            return call.ended_at - self.quiet_since >= replica.bounds.idle_seconds - 1e-6
        if outcome == ("UNAVAILABLE", "SERVER_DRAINING"):
            # A run may have been in progress to the last; `World` checks that nobody else had to wait for the cut.
            return replica.is_draining and (self._has_ended or replica.is_cut or not self._was_opened)
        refused = self.owner.refused
        return outcome[1] in _REFUSALS and refused is not None and refused.name == outcome[1]

    def _advanced(self, place: Place, due: pb.StreamResponse, result: pb.ChunkResult) -> Place:
        """Return the place after an answer, and compare its id with all others of this sequence."""
        bare = pb.ChunkResult.FromString(result.SerializeToString())
        bare.ClearField("resume_token")
        answer = bare.SerializeToString()
        if due.WhichOneof("message") is None:
            if answer != self.place.answer:
                self._fault("got another answer to a repeat")
        elif self._has_ids and not self._ids.agrees(bare.prediction_id, bare.first_frame, self._origin):
            self._fault(f"got another id at frame {bare.first_frame} than before")
        return replace(place, answer=answer)

    @property
    def is_owed_end(self) -> bool:
        """Return whether a draining server has to end it by itself."""
        return self._wish.has_tokens and not self.is_over and not self.call.is_stuck

    def _take_token(self, raw: bytes) -> None:
        since = self.place.frame - self._sealed_at
        is_due = self._wish.with_answers and (since >= max(1, self._wish.frames) or since == 0 or self._sealed_at < 0)
        if bool(raw) != is_due:
            self._fault(f"got {'a' if raw else 'no'} token at frame {self.place.frame}")
        if raw:
            self._keep(raw)

    def _take_last(self, ended: pb.Ended) -> None:
        self._has_ended = True
        if ended.frame_count != self.place.frame:
            self._fault(f"was ended at frame {ended.frame_count}, and got answers to {self.place.frame}")
        self._keep(ended.resume_token)

    def _keep(self, raw: bytes) -> None:
        if self.place.frame != self._sealed_at:
            self._sealed_at, self._origin = self.place.frame, object()
        fleet = self.replica.fleet
        if fleet.seals[raw].frame != self.place.frame:
            self._fault(f"got a token of frame {fleet.seals[raw].frame} at frame {self.place.frame}")
        fleet.tokens.append(Token(raw, self.place, self._ids, self._origin))

    def _is_refused_for(self, reason: str) -> bool:
        if self._spoilt is not None and reason in self._spoilt.refusals:
            return True
        refused = self.owner.token_refused  # it was judged when the token was opened
        return refused is not None and refused.name == reason

    def _fault(self, what: str) -> None:
        self.replica.room.faults.append(f"{self.name} {what}")
