"""One caller of Stream, and what every answer to it has to be."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench.state_machine.calls import OK, Outcome, VirtualCall
from bench.state_machine.chain_model import NAME, POISON, STATE_BYTES, reference
from bench.state_machine.replica import Replica
from bench.state_machine.room import Owner
from soloist.v1 import sequence_inference_pb2 as pb
from soloist.v1 import tensor_pb2

# The server's timer and the transport's may differ by so much.
_SLACK_SECONDS = 0.021
_REFUSALS = {"TOO_MANY_SESSIONS", "SESSION_STATE_FULL"}
_GONE = {("CANCELLED", ""), ("CANCELLED", "STREAM_CUT"), ("DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED")}


@dataclass(frozen=True)
class _Chunk:
    first_frame: int
    frames: tuple[float, ...]


class StreamCaller:
    """A stream and its answers: `due` are those that have to come next, `end` is how it has to end after them."""

    def __init__(self, replica: Replica, name: str, *, every_frame: bool, seconds: float | None) -> None:
        self.replica, self.name = replica, name
        self.call = VirtualCall(replica.loop, name, seconds=seconds, shows_cancels=replica.bounds.shows_cancels)
        self.owner = Owner(name, lambda: self.call.reading_since)
        self._every_frame = every_frame
        self.due: deque[pb.StreamResponse] = deque([pb.StreamResponse(opened=pb.Opened(model=NAME, version=1))])
        self.end: Outcome | None = None
        self.next_frame = 0
        self._state = 0
        self.last: _Chunk | None = None
        self._last_bytes = b""
        self.quiet_since = replica.loop.time()
        self.answers = 0
        self.call.on_answer = self._answered
        self.call.on_end = self._ended
        selection = pb.OUTPUT_SELECTION_EVERY_FRAME if every_frame else pb.OUTPUT_SELECTION_LAST
        self.call.begin(replica.answer_stream)
        if self.call.task is not None:
            replica.room.actors[self.call.task] = self.owner
        self._send(pb.StreamRequest(open=pb.Open(model=NAME, output_selection=selection)))

    @property
    def is_over(self) -> bool:
        """Return whether the call has ended."""
        return self.call.outcome is not None

    @property
    def held_bytes(self) -> int | None:
        """Return what the server has to hold of it: state and last answer; None while answers are on their way."""
        if self.due:
            return None
        return STATE_BYTES + pb.StreamResponse.FromString(self._last_bytes).result.ByteSize()

    def chunk(self, first_frame: int, frames: Sequence[float]) -> None:
        """Send a chunk, in its place or not."""
        chunk = _Chunk(first_frame, tuple(frames))
        if self.end is None:
            self._expect(chunk)
        data = np.array(frames, np.float32).tobytes()
        tensor = tensor_pb2.Tensor(data_type=tensor_pb2.DATA_TYPE_FLOAT32, shape=[len(frames), 1], data=data)
        self._send(pb.StreamRequest(chunk=pb.Chunk(first_frame=first_frame, frames=tensor)))

    def close(self) -> None:
        """Complete the sequence."""
        if self.end is None:
            self.due.append(pb.StreamResponse(closed=pb.Closed(frame_count=self.next_frame)))
            self.end = OK
        self._send(pb.StreamRequest(close=pb.Close()))
        self.call.send(None)

    def _send(self, message: pb.StreamRequest) -> None:
        self.call.send(message.SerializeToString())

    def _expect(self, chunk: _Chunk) -> None:
        if chunk.first_frame > self.next_frame:
            self.end = ("FAILED_PRECONDITION", "CHUNK_GAP")
        elif chunk.first_frame < self.next_frame:
            self._expect_repeat(chunk)
        elif POISON in chunk.frames:
            self.end = ("INTERNAL", "INTERNAL")
        else:
            outputs, self._state = reference(self._state, chunk.frames)
            chosen = outputs if self._every_frame else outputs[-1:]
            self.due.append(_result(chunk, chosen))
            self.last = chunk
            self.next_frame += len(chunk.frames)

    def _expect_repeat(self, chunk: _Chunk) -> None:
        if self.last is None or chunk.first_frame != self.last.first_frame:
            self.end = ("FAILED_PRECONDITION", "CHUNK_OVERLAP")
        elif chunk != self.last:
            self.end = ("FAILED_PRECONDITION", "CHUNK_CONFLICT")
        else:
            self.due.append(pb.StreamResponse())  # the same bytes again

    def _answered(self, raw: bytes) -> None:
        self.quiet_since = self.replica.loop.time()
        if not self.due:
            self._fault(f"got an answer that nobody asked for: {pb.StreamResponse.FromString(raw)}")
            return
        self.answers += 1
        due, answer = self.due.popleft(), pb.StreamResponse.FromString(raw)
        if due.WhichOneof("message") is None:
            if raw != self._last_bytes:
                self._fault("got another answer to a repeat")
            return
        if due.HasField("result"):
            self._last_bytes = raw
        if _comparable(answer) != due:
            self._fault(f"got {_comparable(answer)} instead of {due}")

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
            return outcome[0] == "UNAVAILABLE" and len(self.due) <= self.call.unread
        if outcome in _GONE:
            is_late = call.ends_at is not None and call.ended_at >= call.ends_at - _SLACK_SECONDS
            return call.is_gone or is_late
        if outcome == ("ABORTED", "SESSION_IDLE"):
            return call.ended_at - self.quiet_since >= replica.bounds.idle_seconds - 1e-6
        if outcome == ("UNAVAILABLE", "SERVER_DRAINING"):
            return replica.is_draining
        refused = self.owner.refused
        return outcome[1] in _REFUSALS and refused is not None and refused.name == outcome[1]

    def _fault(self, what: str) -> None:
        self.replica.room.faults.append(f"{self.name} {what}")


def _result(chunk: _Chunk, outputs: Sequence[Sequence[float]]) -> pb.StreamResponse:
    array = np.array(outputs, np.float32)
    tensor = tensor_pb2.Tensor(data_type=tensor_pb2.DATA_TYPE_FLOAT32, data=array.tobytes())
    result = pb.ChunkResult(first_frame=chunk.first_frame, frame_count=len(chunk.frames), outputs=tensor)
    return pb.StreamResponse(result=result)


def _comparable(answer: pb.StreamResponse) -> pb.StreamResponse:
    """Return an answer without what differs from run to run."""
    if answer.HasField("opened"):
        answer.opened.ClearField("session_id")
    if answer.HasField("result"):
        for name in ("prediction_id", "classification", "batch_size", "padded_frames", "extra_outputs"):
            answer.result.ClearField(name)
        answer.result.outputs.ClearField("shape")
    return answer
