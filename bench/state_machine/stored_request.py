"""One request of a sequence that servers share, and what its answer has to be by what its server has read."""

from __future__ import annotations

from dataclasses import dataclass

from bench.state_machine.calls import OK, Outcome, VirtualCall
from bench.state_machine.chain_model import POISON
from bench.state_machine.infer_messages import infer_request, right_contents
from bench.state_machine.replica import Replica
from bench.state_machine.room import Owner
from bench.state_machine.stored_truth import Said, Version, Who
from bench.state_machine.unary_ends import may_end_anyway
from bench.state_machine.watched_store import Read
from service.core.errors import Reason
from service.core.reasons.error_kind import ErrorKind
from service.sealing.keys_file import Key
from soloist.oip import grpc_service_pb2 as pb


@dataclass(frozen=True, kw_only=True)
class StoredMessage:
    """What a caller sends, once or several times. It may say an id, or its place."""

    who: Who
    frames: tuple[float, ...]
    start: bool
    end: bool
    said: Said

    @property
    def raw(self) -> bytes:
        """Return its bytes."""
        message = infer_request(self.who.sequence, self.frames, start=self.start, end=self.end)
        message.id = self.said.name
        if self.said.first_frame is not None:
            message.parameters["sequence_first_frame"].int64_param = self.said.first_frame
        return message.SerializeToString(deterministic=True)


class StoredRequest:
    """A request, judged when it ends: by what was read for it, whatever has become of the sequence since."""

    def __init__(self, replica: Replica, message: StoredMessage, *, seconds: float | None = None) -> None:
        """Send a message to a server."""
        self.replica, self.message, self.who = replica, message, message.who
        self.reads: list[Read] = []
        self.is_saved: bool | None = False
        self._version: Version | None = None
        self._has_known_place = message.said != Said("", None)
        self._payload: bytes | None = None
        self.call = VirtualCall(
            replica.loop, message.who.client, seconds=seconds, shows_cancels=replica.bounds.shows_cancels
        )
        self.owner = Owner(f"{message.who}", lambda: None)  # its session is never idle
        self.call.on_answer = self._take
        self.call.on_end = self._judge
        self.call.begin(replica.answer_infer)
        if self.call.task is not None:
            replica.began_stored(self.call.task, self, self.owner)
        self.call.send(message.raw)

    @property
    def is_over(self) -> bool:
        """Return whether the call has ended."""
        return self.call.outcome is not None

    def next_version(self, *, key: Key, expires_at: float) -> Version:
        """Return what has to be written for it."""
        if (refusal := self._refusal()) is not None:
            self._fault(f"was written, and it should be {refusal}")
        frame, state = self._place()
        contents, after = right_contents(state, self.message.frames)
        self._version = Version(
            frame=frame + len(self.message.frames),
            state=None if self.message.end else after,
            said=self.message.said if self._has_known_place else None,
            request=self.message.raw,
            contents=contents,
            key=key,
            expires_at=expires_at,
        )
        return self._version

    def published(self, prediction_id: str) -> None:
        """Hear that its answer counts."""
        if self._version is None or not self.is_saved or self._version.published is not None:
            self._fault("counts, and it isn't stored or counts already")
        else:
            self._version.published = prediction_id

    def _take(self, raw: bytes) -> None:
        self._payload = raw

    def _judge(self) -> None:
        outcome = self.call.outcome
        if outcome is None:
            return
        right = self._right()
        if outcome == OK and isinstance(right, Version):
            self._compare(right)
        elif outcome != right and not may_end_anyway(self.call, outcome, is_draining=self.replica.is_draining):
            self._fault(f"ended with {outcome}, and it should be {right}")
        if self.owner.session is not None:
            self._fault("has ended, and its session hasn't")

    def _compare(self, version: Version) -> None:
        response = pb.ModelInferResponse.FromString(self._payload or b"")
        if list(response.raw_output_contents) != version.contents:
            self._fault(f"was answered {response.raw_output_contents}")
        # The order of parameters may differ on the wire; nothing else may.
        given = response.SerializeToString(deterministic=True)
        version.given = version.given or given
        if version.given != given:
            self._fault("was answered otherwise than before")
        answered = response.parameters["prediction_id"].string_param
        if version.published not in (None, answered):
            self._fault("was answered with another id than the one that counts")
        if version is self._version and version.published is None:
            self._fault("was answered, and doesn't count")

    def _right(self) -> Outcome | Version | None:
        """Return how it has to end, and with which answer; None if it can't have ended yet."""
        if not self.reads:
            return None
        if (known := self._known(self.reads[0])) is not None:
            return known
        if (refusal := self._refusal()) is not None:
            return refusal
        if self._version is None:
            return None
        if self.is_saved is None:
            return _outcome(Reason.SEQUENCE_STORE_UNAVAILABLE)
        if self.is_saved:
            return self._version
        return self._after_conflict()

    def _after_conflict(self) -> Outcome | Version | None:
        """Return how it has to end when its server's write has found another version, or none."""
        before = self.reads[0].stored
        for again in self.reads[1:]:
            if again.refusal is not None:
                return _outcome(again.refusal)
            if again.stored is not None or before is None:
                return self._known(again) or _outcome(Reason.SEQUENCE_CONFLICT)
            # The store has forgotten what was read: only a request that goes on needs it.
            if not self.message.start:
                return _outcome(Reason.SEQUENCE_NOT_FOUND)
            before = None
        return None

    def _known(self, read: Read) -> Outcome | Version | None:
        """Return the answer to it if it was the last request, or the refusal of another one with its id."""
        found = read.counts
        if found is None or not self._has_known_place or found.said != self.message.said:
            return None
        return found if found.request == self.message.raw else _outcome(Reason.SEQUENCE_REQUEST_CONFLICT)

    def _refusal(self) -> Outcome | None:
        """Return why nothing may be written for it, None if something may."""
        message, read = self.message, self.reads[0]
        unreadable = read.refusal is Reason.SEQUENCE_KEY_UNKNOWN and message.start  # then it begins anew
        if read.refusal is not None and not unreadable:
            return _outcome(read.refusal)
        if not message.start and (read.counts is None or read.counts.state is None):
            return _outcome(Reason.SEQUENCE_NOT_FOUND)
        if self.owner.refused is not None:
            return _outcome(self.owner.refused)
        frame, _ = self._place()
        if message.said.first_frame not in (None, frame):
            is_gap = (message.said.first_frame or 0) > frame
            return _outcome(Reason.CHUNK_GAP if is_gap else Reason.CHUNK_OVERLAP)
        return _outcome(Reason.INTERNAL) if POISON in message.frames else None

    def _place(self) -> tuple[int, int]:
        """Return how many frames come before it, and the state after them."""
        found = None if self.message.start or not self.reads else self.reads[0].counts
        return (0, 0) if found is None else (found.frame, found.state or 0)

    def _fault(self, what: str) -> None:
        self.replica.room.faults.append(f"{self.message} {what}")


def _outcome(reason: ErrorKind) -> Outcome:
    return reason.code, reason.name
