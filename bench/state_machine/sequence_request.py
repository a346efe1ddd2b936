"""One request of an Open Inference sequence, and what its answer has to be."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bench.state_machine.calls import OK, Outcome, VirtualCall
from bench.state_machine.chain_model import NAME, POISON, reference
from bench.state_machine.replica import Replica, SequenceOwner
from soloist.oip import grpc_service_pb2 as pb

_SLACK_SECONDS = 0.021
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
        self._replica, self._sequence, self._frames = replica, sequence, tuple(frames)
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
        message = pb.ModelInferRequest(model_name=NAME)
        message.parameters["sequence_id"].int64_param = self._sequence
        message.parameters["sequence_start"].bool_param = self._starts
        message.parameters["sequence_end"].bool_param = self._ends
        message.inputs.add(name="frames", datatype="FP32", shape=[1, len(self._frames), 1])
        message.raw_input_contents.append(np.array(self._frames, np.float32).tobytes())
        if self._brought is not None:
            message.inputs.add(name="state.chain", datatype="INT64", shape=[1, 1])
            message.raw_input_contents.append(np.array([self._brought], np.uint64).tobytes())
        for name in ("outputs", "next.chain"):
            message.outputs.add(name=name)
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
        outputs, after = reference(before, self._frames)
        state = np.array([after], np.uint64).tobytes()
        if list(response.raw_output_contents) != [np.array(outputs, np.float32).tobytes(), state]:
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
        if reason == "MESSAGE_MISSING":  # to a handler, a caller who leaves has sent all
            return call.is_gone
        if reason == "OVERLOADED":  # how long an answer would take is measured, and not judged here
            return call.ends_at is not None
        if outcome[0] in ("CANCELLED", "DEADLINE_EXCEEDED"):
            is_late = call.ends_at is not None and call.ended_at >= call.ends_at - _SLACK_SECONDS
            return call.is_gone or is_late
        if outcome == ("UNAVAILABLE", "SERVER_DRAINING"):
            return self._replica.is_draining
        if reason == "SEQUENCE_STATES":
            return self._brought is not None and not self._starts
        refused = owner.refused
        return self._starts and reason in _REFUSALS and refused is not None and refused.name == reason

    def _fault(self, what: str) -> None:
        kind = f"start={self._starts} end={self._ends} frames={self._frames} state={self.owner.state}"
        self._replica.room.faults.append(f"{self.owner.name} ({kind}) {what}")
