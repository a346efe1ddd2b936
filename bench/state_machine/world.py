"""The world of a history: its servers, their callers, and what has to hold after every step."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant

from bench.state_machine.chain_model import STATE_BYTES
from bench.state_machine.kept_tokens import Fleet
from bench.state_machine.replica import Bounds, Replica
from bench.state_machine.sequence_request import SequenceRequest
from bench.state_machine.stored_request import StoredMessage, StoredRequest
from bench.state_machine.stream_caller import StreamCaller
from bench.state_machine.virtual_time import VirtualLoop
from bench.state_machine.watched_store import SharedStore

_ANSWER_BYTES = 200
_SENT = 8
_Call = StreamCaller | SequenceRequest | StoredRequest

_bounds = st.builds(
    Bounds,
    max_sessions=st.integers(1, 4),
    max_state_bytes=st.sampled_from([2 * _ANSWER_BYTES, 4 * _ANSWER_BYTES, 2**20]),
    evict_after_seconds=st.sampled_from([0.0, 1.0, 5.0]),
    idle_seconds=st.sampled_from([4.0, 20.0]),
    workers=st.integers(1, 2),
    max_slice_frames=st.sampled_from([2, 64]),
    max_inline_seconds=st.sampled_from([0.0, 0.005]),
    shows_cancels=st.booleans(),
    max_stream_age_seconds=st.sampled_from([0.0, 6.0]),
    sharing=st.sampled_from([0, 0, 2, 3]),
)


@dataclass
class Tally:
    """What the histories of a process were made of: steps by rule, calls by outcome."""

    histories: int = 0
    steps: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)

    def add(self, other: Tally) -> None:
        """Add what another process has tried."""
        self.histories += other.histories
        self.steps.update(other.steps)
        self.outcomes.update(other.outcomes)


class World(RuleBasedStateMachine):
    """One server at a time, or several that share a store, their callers, and what these keep."""

    tally: ClassVar[Tally] = Tally()

    def __init__(self) -> None:
        super().__init__()
        self._streams: list[StreamCaller] = []
        self._requests: list[SequenceRequest] = []
        self._stored: list[StoredRequest] = []
        # What callers of stored sequences have sent, and may send again.
        self._sent: deque[StoredMessage] = deque(maxlen=_SENT)
        # What a caller keeps of a sequence, whatever becomes of the server.
        self._kept: dict[int, int] = {}
        self._names = 0

    @initialize(bounds=_bounds)
    def start(self, bounds: Bounds) -> None:
        """Start the servers."""
        self.tally.histories += 1
        self._bounds = bounds
        self._fleet = Fleet()
        self._loop = VirtualLoop()
        self._shared = SharedStore(self._loop)
        self._replicas = [self._new_replica() for _ in range(max(1, bounds.sharing))]

    @property
    def _replica(self) -> Replica:
        """Return the server that has the streams."""
        return self._replicas[0]

    def _new_replica(self) -> Replica:
        shared = self._shared if self._bounds.sharing else None
        return Replica(self._bounds, self._loop, self._fleet, shared)

    def _step(self, name: str, turns: int) -> None:
        self.tally.steps[name] += 1
        self._loop.turn(turns)

    @invariant()
    def nothing_is_wrong(self) -> None:
        """Fail with the first fault; check what has to hold after every step."""
        if not hasattr(self, "_replicas"):
            return
        self._sweep()
        self._check(not self._loop.faults, self._loop.faults)
        for replica in self._replicas:
            self._check_sessions(replica)
        if self._replica.is_draining and not self._loop.is_busy and not self._replica.executor:
            late = [each.name for each in self._streams if each.is_owed_end]
            self._check(not late, f"{late} were not ended by the drain")
        for stream in self._streams:
            if (open_ := stream.owner.session) is not None and (due := stream.held_bytes) is not None:
                self._check(open_.state_bytes == due, f"{stream.name} holds {open_.state_bytes} bytes, not {due}")

    def _check_sessions(self, replica: Replica) -> None:
        room = replica.room
        self._check(not room.faults, room.faults)
        self._check(len(replica.sessions) == len(room.owners), "sessions are not those of the callers")
        self._check(replica.sessions.held_bytes == room.state_bytes(), "bytes are not those of the sessions")
        self._check(len(room.owners) <= self._bounds.max_sessions, "too many sessions")
        self._check(room.state_bytes() <= self._bounds.max_state_bytes, "too many bytes")
        self._check(room.begun == sum(room.ends.values()) + len(room.owners), "sessions that began nowhere")
        for session, owner in room.owners.items():
            self._check(owner.session is session, f"a session of {owner.name} was left behind")
            self._check(session.state_bytes >= STATE_BYTES, "a session without a state")

    def teardown(self) -> None:
        """End the history: everybody is answered, and nothing is left."""
        if hasattr(self, "_replicas"):
            self._settle()
            self._sweep()
            self._check(not self._calls(), "a call waits for ever")
            self.tally.steps["end"] += 1
            for replica in self._replicas:
                self._lose(replica)

    def _settle(self) -> None:
        for stream in self._streams:
            stream.call.take_answers(True)
        self._shared.way.release()
        for _ in range(3):
            self._finish_runs()
            self._loop.advance(self._bounds.idle_seconds + 1)

    def _finish_runs(self) -> None:
        """Let everything happen that needs no time."""
        self._loop.turn()
        while busy := [replica for replica in self._replicas if replica.executor]:
            busy[0].finish_run(0)
            self._loop.turn()

    def _replace(self, replica: Replica) -> None:
        """Lose a server, and start another one in its place."""
        self._lose(replica)
        self._replicas[self._replicas.index(replica)] = self._new_replica()

    def _lose(self, replica: Replica) -> None:
        """Lose a server with all that it knows."""
        self._check(not replica.room.faults, replica.room.faults)
        lost = [each for each in self._calls() if each.replica is replica]
        self._cancel(lost)
        self._check_books(replica)
        self._streams = [each for each in self._streams if each not in lost]
        self._requests = [each for each in self._requests if each not in lost]
        self._stored = [each for each in self._stored if each not in lost]

    def abandon(self) -> None:
        """End all calls of a history that has failed, unchecked."""
        self._cancel(self._calls())

    def _cancel(self, calls: Sequence[_Call]) -> None:
        for each in calls:
            each.call.on_end = lambda: None
            if each.call.task is not None:
                each.call.task.cancel()
        self._loop.turn()

    def _check_books(self, replica: Replica) -> None:
        room = replica.room
        with self._loop.shown():
            ended = {
                sample.labels["reason"]: sample.value
                for family in replica.metrics.ended.collect()
                for sample in family.samples
                if sample.name.endswith("_total") and sample.value
            }
            is_open = sum(sample.value for each in replica.metrics.open.collect() for sample in each.samples)
            held = sum(sample.value for each in replica.metrics.state_bytes.collect() for sample in each.samples)
        self._check(ended == dict(room.ends), f"metrics {ended}, and it was {dict(room.ends)}")
        self._check(is_open == len(room.owners), "the gauge of open sessions is wrong")
        self._check(held == room.state_bytes(), "the gauge of bytes is wrong")
        self._check(len(replica.calls) == 0, "a call is in progress, and all have ended")
        used = [True]
        replica.refcounts.when_unused(replica.servable, used.clear)
        self._check(bool(used) == bool(room.owners), "references to the version are wrong")

    def _calls(self) -> Sequence[_Call]:
        return [*self._streams, *self._requests, *self._stored]

    def _sweep(self) -> None:
        """Forget calls that are over."""
        for request in self._requests:
            if request.is_over and request.answered_state is not None:
                self._kept[request.owner_id] = request.answered_state
        for each in self._calls():
            if each.is_over and each.call.outcome is not None:
                self.tally.outcomes[" ".join(each.call.outcome).strip()] += 1
        self._streams = [each for each in self._streams if not each.is_over]
        self._requests = [each for each in self._requests if not each.is_over]
        self._stored = [each for each in self._stored if not each.is_over]

    @staticmethod
    def _check(holds: bool, what: object) -> None:
        if not holds:
            raise AssertionError(what)
