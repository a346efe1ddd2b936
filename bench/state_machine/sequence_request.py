"""One request of an Open Inference sequence, and what its answer has to be."""

from __future__ import annotations

from collections.abc import Sequence

from bench.state_machine.calls import OK, Outcome, VirtualCall
from bench.state_machine.chain_model import POISON
from bench.state_machine.infer_messages import bring_state, infer_request, right_contents
from bench.state_machine.replica import Replica
from bench.state_machine.unary_ends import may_end_anyway
from bench.state_machine.watched_sequences import SequenceOwner
from soloist.oip import grpc_service_pb2 as pb

_REFUSALS = {"TOO_MANY_SESSIONS", "SESSION_STATE_FULL"}
_MISSING = {"SEQUENCE_NOT_FOUND", "SEQUENCE_EVICTED"}


class SequenceRequest:
    """A request, judged in the turn of the loop in which it ends: others of its sequence may change the state next."""

    def __init__(
        self,
        replica: Replica,
        sequence: int,
        frames: Sequence[float],
        *,
        start: bool,
        end: bool,
        brought: int | None = None,
        seconds: float | None = None,
    ) -> None:
        """Send a request.

        Args:
            replica: the server.
            sequence: the id of the sequence.
            frames: its next frames.
            start: whether it begins.
            end: whether it ends.
            brought: the state that it begins from, which the caller has kept.
            seconds: the time limit.

        """
        self.replica, self._sequence, self._frames = replica, sequence, tuple(frames)
        self._starts, self._ends, self._brought = start, end, brought
        self.call = VirtualCall(
            replica.loop, f"caller {sequence}", seconds=seconds, shows_cancels=replica.bounds.shows_cancels
        )
        self.owner_id = sequence
        self.answered_state: int | None = None
        self._response: pb.ModelInferResponse | None = None
        self.owner: SequenceOwner = replica.owner_of(sequence)
        self.call.on_answer = self._take
        self.call.on_end = self._judge
        self.call.begin(replica.answer_infer)
        self.call.send(self._message().SerializeToString())

    @property
    def is_over(self) -> bool:
        """Return whether the call has ended."""
        return self.call.outcome is not None

    def _message(self) -> pb.ModelInferRequest:
        message = infer_request(self._sequence, self._frames, start=self._starts, end=self._ends)
        if self._brought is not None:
            bring_state(message, self._brought)
        return message

    def _take(self, raw: bytes) -> None:
        self._response = pb.ModelInferResponse.FromString(raw) if raw else None

    def _judge(self) -> None:
        outcome, owner = self.call.outcome, self.owner
        if outcome == OK and self._response is not None:
            self._compare(self._response)
            owner.state = None if self._ends else self.answered_state
            if (owner.session is None) != (owner.state is None):
                self._fault("and the server disagree on whether there is a session")
        elif outcome is not None and not self._is_right(outcome):
            self._fault(f"ended with {outcome}")

    def _compare(self, response: pb.ModelInferResponse) -> None:
        before = (self._brought or 0) if self._starts else self.owner.state
        if before is None:
            self._fault("was answered, and has no sequence")
            return
        contents, after = right_contents(before, self._frames)
        if list(response.raw_output_contents) != contents:
            self._fault(f"was answered {response.raw_output_contents}")
        self.answered_state = after

    def _is_right(self, outcome: Outcome) -> bool:
        call, owner, reason = self.call, self.owner, outcome[1]
        if reason in _MISSING:
            was_evicted = owner.is_evicted or owner.is_expired
            expected = "SEQUENCE_EVICTED" if was_evicted else "SEQUENCE_NOT_FOUND"
            return not self._starts and owner.state is None and reason == expected
        if outcome == ("INTERNAL", "INTERNAL"):
            return POISON in self._frames
        if may_end_anyway(call, outcome, is_draining=self.replica.is_draining):
            return True
        if reason == "SEQUENCE_STATES":
            return self._brought is not None and not self._starts
        refused = owner.refused
        return self._starts and reason in _REFUSALS and refused is not None and refused.name == reason

    def _fault(self, what: str) -> None:
        kind = f"start={self._starts} end={self._ends} frames={self._frames} state={self.owner.state}"
        self.replica.room.faults.append(f"{self.owner.name} ({kind}) {what}")
