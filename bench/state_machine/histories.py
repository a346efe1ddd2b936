"""Random histories: hypothesis chooses what callers, workers, clock and operator do next, and makes failures short."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import structlog
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from bench.state_machine.chain_model import POISON, STATE_BYTES
from bench.state_machine.kept_tokens import Fleet
from bench.state_machine.replica import Bounds, Replica
from bench.state_machine.sequence_request import SequenceRequest
from bench.state_machine.stream_caller import StreamCaller
from bench.state_machine.token_wishes import WISHES, Spoilt, TokenWish
from bench.state_machine.virtual_time import VirtualLoop

_ALL_TURNS = 100_000
_MOST_STREAMS = 5
_ANSWER_BYTES = 200

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
)
_frames = st.lists(st.integers(0, 3).map(float), min_size=1, max_size=5)
_turns = st.sampled_from([_ALL_TURNS, 0, 1, 2, 4])
_which = st.integers(0, _MOST_STREAMS - 1)
# A server that ends at every other step has nothing to lose.
_rarely = st.sampled_from([*[False] * 9, True])
_wish = st.sampled_from(WISHES)
_spoilt = st.sampled_from([*[None] * 9, *Spoilt])
_limit = st.none() | st.sampled_from([0.5, 3.0])


@dataclass
class Tally:
    """What the histories of a process were made of: steps by rule, calls by outcome."""

    histories: int = 0
    steps: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)


class Histories(RuleBasedStateMachine):
    """One server at a time, its callers, and all that may happen to them."""

    tally: ClassVar[Tally] = Tally()

    def __init__(self) -> None:
        super().__init__()
        self._streams: list[StreamCaller] = []
        self._requests: list[SequenceRequest] = []
        # What a caller keeps of a sequence, whatever becomes of the server.
        self._kept: dict[int, int] = {}
        self._names = 0

    @initialize(bounds=_bounds)
    def start(self, bounds: Bounds) -> None:
        """Start a server."""
        self.tally.histories += 1
        self._bounds = bounds
        self._fleet = Fleet()
        self._loop = VirtualLoop()
        self._begin_replica()

    def _begin_replica(self) -> None:
        self._loop = VirtualLoop(self._loop.time())
        self._replica = Replica(self._bounds, self._loop, self._fleet)
        self._streams, self._requests = [], []

    def _step(self, name: str, turns: int) -> None:
        self.tally.steps[name] += 1
        self._replica.turn(turns)

    @precondition(lambda self: len(self._streams) < _MOST_STREAMS)
    @rule(every_frame=st.booleans(), seconds=_limit, wish=_wish, turns=_turns)
    def open(self, every_frame: bool, seconds: float | None, wish: TokenWish, turns: int) -> None:
        """Open a stream."""
        self._names += 1
        self._streams.append(
            StreamCaller(self._replica, f"stream {self._names}", every_frame=every_frame, seconds=seconds, wish=wish)
        )
        self._step("open", turns)

    @precondition(lambda self: self._fleet.tokens and len(self._streams) < _MOST_STREAMS)
    @rule(age=st.integers(0, 19), every_frame=st.booleans(), wish=_wish, spoilt=_spoilt, turns=_turns)
    def continue_(self, age: int, every_frame: bool, wish: TokenWish, spoilt: Spoilt | None, turns: int) -> None:
        """Continue a sequence with a token, the last or an older one, on whichever server there is."""
        tokens = self._fleet.tokens
        token = tokens[-1 - age % len(tokens)]
        self._names += 1
        self._streams.append(
            StreamCaller(
                self._replica,
                f"stream {self._names}",
                every_frame=every_frame,
                seconds=None,
                wish=wish,
                brought=token,
                spoilt=spoilt,
            )
        )
        self._step("continue", turns)

    @rule(really=_rarely, removes=st.booleans())
    def rotate_keys(self, really: bool, removes: bool) -> None:
        """Let a new key seal, and keep the old ones or not."""
        if really:
            self._fleet.rotate(removes=removes)
            self._step("rotate keys", 0)

    @precondition(lambda self: self._streams)
    @rule(which=_which, frames=_frames, turns=_turns)
    def chunk(self, which: int, frames: list[float], turns: int) -> None:
        """Send the next chunk of a stream."""
        stream = self._stream(which)
        stream.chunk(stream.next_frame, frames)
        self._step("chunk", turns)

    @precondition(lambda self: self._streams)
    @rule(which=_which, chunks=st.lists(_frames, min_size=1, max_size=3))
    def converse(self, which: int, chunks: list[list[float]]) -> None:
        """Send chunks one after the other's answer."""
        stream = self._stream(which)
        for frames in chunks:
            stream.chunk(stream.next_frame, frames)
            self._loop.turn()
            while self._replica.executor:
                self._replica.finish_run(0)
                self._loop.turn()
        self._step("converse", _ALL_TURNS)

    @precondition(lambda self: any(stream.last for stream in self._streams))
    @rule(which=_which, turns=_turns)
    def repeat(self, which: int, turns: int) -> None:
        """Send the last chunk again."""
        last = self._stream(which).last
        if last is not None:
            self._stream(which).chunk(last.first_frame, last.frames)
        self._step("repeat", turns)

    @precondition(lambda self: self._streams)
    @rule(which=_which, shift=st.integers(-3, 3), frames=_frames, turns=_turns)
    def misplace(self, which: int, shift: int, frames: list[float], turns: int) -> None:
        """Send a chunk that leaves a gap, overlaps, or differs from the one that it repeats."""
        stream = self._stream(which)
        stream.chunk(max(0, stream.next_frame + shift), frames)
        self._step("misplace", turns)

    @precondition(lambda self: self._streams)
    @rule(which=_which, turns=_turns)
    def poison(self, which: int, turns: int) -> None:
        """Send a chunk that makes its run fail."""
        stream = self._stream(which)
        stream.chunk(stream.next_frame, [1.0, POISON])
        self._step("poison", turns)

    @precondition(lambda self: self._streams)
    @rule(which=_which, turns=_turns)
    def close(self, which: int, turns: int) -> None:
        """Complete a stream."""
        self._stream(which).close()
        self._step("close", turns)

    @precondition(lambda self: self._streams)
    @rule(which=_which, turns=_turns)
    def cancel(self, which: int, turns: int) -> None:
        """Cancel a stream."""
        self._stream(which).call.cancel()
        self._step("cancel", turns)

    @precondition(lambda self: self._streams)
    @rule(which=_which, takes=st.booleans(), turns=_turns)
    def read(self, which: int, takes: bool, turns: int) -> None:
        """Begin or cease to read the answers of a stream."""
        self._stream(which).call.take_answers(takes)
        self._step("read", turns)

    @rule(
        sequence=st.integers(1, 3),
        frames=_frames,
        in_place=st.sampled_from([True, True, True, False]),
        end=st.sampled_from([False, False, True]),
        seconds=_limit,
        fails=st.sampled_from([False, False, False, True]),
        turns=_turns,
    )
    def infer(
        self,
        sequence: int,
        frames: list[float],
        in_place: bool,
        end: bool,
        seconds: float | None,
        fails: bool,
        turns: int,
    ) -> None:
        """Send a request of a sequence: the next, or one that goes on with nothing or begins what has begun."""
        sent = [*frames, POISON] if fails else frames
        start = (self._replica.owner_of(sequence).state is None) is in_place
        self._ask(sequence, sent, start=start, end=end, seconds=seconds)
        self._step("infer", turns)

    @precondition(lambda self: self._kept)
    @rule(which=_which, frames=_frames, turns=_turns)
    def resume(self, which: int, frames: list[float], turns: int) -> None:
        """Go on with a sequence from the state that its caller has kept, whatever became of the server's."""
        sequence = sorted(self._kept)[which % len(self._kept)]
        self._ask(sequence, frames, start=True, end=False, brought=self._kept[sequence])
        self._step("resume", turns)

    @precondition(lambda self: self._requests)
    @rule(which=_which, turns=_turns)
    def give_up(self, which: int, turns: int) -> None:
        """Cancel a request of a sequence."""
        self._requests[which % len(self._requests)].call.cancel()
        self._step("give_up", turns)

    @precondition(lambda self: self._replica.executor)
    @rule(which=_which, turns=_turns)
    def run(self, which: int, turns: int) -> None:
        """Let a worker do one run."""
        self._replica.finish_run(which)
        self._step("run", turns)

    @precondition(lambda self: self._loop.is_busy)
    @rule(turns=_turns)
    def turn(self, turns: int) -> None:
        """Let the event loop turn."""
        self._step("turn", turns)

    @precondition(lambda self: self._calls() or self._replica.room.owners)
    @rule(seconds=st.sampled_from([0.1, 0.1, 0.3, 0.3, 1.0, 1.0, 5.0, 21.0]))
    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self._loop.advance(seconds)
        self._step("wait", _ALL_TURNS)

    @precondition(lambda self: not self._replica.is_draining)
    @rule(really=_rarely, turns=_turns)
    def drain(self, really: bool, turns: int) -> None:
        """Let the server take no more calls."""
        if really:
            self._replica.drain()
            self._step("drain", turns)

    @precondition(lambda self: self._replica.is_draining)
    @rule()
    def cut(self) -> None:
        """End what is left when the time of the drain is over, and start another server."""
        self._replica.cut()
        self._loop.advance(1.0)
        late = [each for each in self._calls() if not (each.is_over or each.call.is_stuck)]
        self._check(not late, "a call was not cut")
        self._end_replica("cut")

    @rule(really=_rarely)
    def crash(self, really: bool) -> None:
        """Lose the server with all that it knows, and start another one."""
        if really:
            self._end_replica("crash")

    @invariant()
    def nothing_is_wrong(self) -> None:
        """Fail with the first fault; check what has to hold after every step."""
        if not hasattr(self, "_replica"):
            return
        self._sweep()
        self._check(not self._loop.faults, self._loop.faults)
        replica, room = self._replica, self._replica.room
        self._check(not room.faults, room.faults)
        self._check(len(replica.sessions) == len(room.owners), "sessions are not those of the callers")
        self._check(replica.sessions.held_bytes == room.state_bytes(), "bytes are not those of the sessions")
        self._check(len(room.owners) <= self._bounds.max_sessions, "too many sessions")
        self._check(room.state_bytes() <= self._bounds.max_state_bytes, "too many bytes")
        self._check(room.begun == sum(room.ends.values()) + len(room.owners), "sessions that began nowhere")
        if replica.is_draining and not self._loop.is_busy and not replica.executor:
            late = [each.name for each in self._streams if each.is_owed_end]
            self._check(not late, f"{late} were not ended by the drain")
        for session, owner in room.owners.items():
            self._check(owner.session is session, f"a session of {owner.name} was left behind")
            self._check(session.state_bytes >= STATE_BYTES, "a session without a state")
        for stream in self._streams:
            if (open_ := stream.owner.session) is not None and (due := stream.held_bytes) is not None:
                self._check(open_.state_bytes == due, f"{stream.name} holds {open_.state_bytes} bytes, not {due}")

    def teardown(self) -> None:
        """End the history: everybody is answered, and nothing is left."""
        if hasattr(self, "_replica"):
            self._settle()
            self._sweep()
            self._check(not self._streams and not self._requests, "a call waits for ever")
            self._end_replica("end")

    def _settle(self) -> None:
        for stream in self._streams:
            stream.call.take_answers(True)
        for _ in range(3):
            self._loop.turn()
            while self._replica.executor:
                self._replica.finish_run(0)
                self._loop.turn()
            self._loop.advance(self._bounds.idle_seconds + 1)

    def _end_replica(self, name: str) -> None:
        self.tally.steps[name] += 1
        replica = self._replica
        self._check(not replica.room.faults, replica.room.faults)
        for each in self._calls():
            each.call.on_end = lambda: None
            if each.call.task is not None:
                each.call.task.cancel()
        self._loop.turn()
        self._check_books(replica)
        self._begin_replica()

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

    def _ask(self, sequence: int, frames: list[float], **how: Any) -> None:
        self._requests.append(SequenceRequest(self._replica, sequence, frames, **how))

    def _calls(self) -> Sequence[StreamCaller | SequenceRequest]:
        return [*self._streams, *self._requests]

    def _stream(self, which: int) -> StreamCaller:
        return self._streams[which % len(self._streams)]

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

    @staticmethod
    def _check(holds: bool, what: object) -> None:
        if not holds:
            raise AssertionError(what)


@contextlib.contextmanager
def silent() -> Iterator[None]:
    """Log nothing in a block: a server logs every failure, and histories are full of them."""
    before = structlog.get_config()
    structlog.configure(processors=[_drop])
    try:
        yield
    finally:
        structlog.configure(**before)


def _drop(*_: object) -> Any:
    raise structlog.DropEvent
