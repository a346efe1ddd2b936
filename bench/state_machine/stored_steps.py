"""What callers of sequences do that several servers share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from bench.state_machine.chain_model import POISON
from bench.state_machine.draws import FRAMES, LIMIT, TURNS, WHICH
from bench.state_machine.stored_request import StoredMessage, StoredRequest
from bench.state_machine.stored_truth import Said, Version, Who
from bench.state_machine.world import World

_MOST_REQUESTS = 6
_IDS = (1, 2)
_SEQUENCES = st.sampled_from(_IDS)
_CLIENT, _STRANGER = "client", "stranger"
_CLIENTS = st.sampled_from([*[_CLIENT] * 6, _STRANGER])
# What a caller says of a request: its id and its place, one of them, or neither.
_SAYS = st.sampled_from([(True, False), (False, True), (True, True), (False, False)])
# Callers send their last request again, and sometimes an older one.
_LAST = st.sampled_from([0, 0, 0, 1, 2, 3])
_Says = tuple[bool, bool]


class StoredSteps(World):
    """Requests of stored sequences go to any server: in their place or not, again, or to two at once."""

    @precondition(lambda self: self._may_ask())
    @rule(
        sequence=_SEQUENCES,
        client=_CLIENTS,
        where=WHICH,
        frames=FRAMES,
        says=_SAYS,
        in_place=st.sampled_from([*[True] * 5, False]),
        end=st.sampled_from([False, False, False, True]),
        seconds=LIMIT,
        fails=st.sampled_from([*[False] * 6, True]),
        turns=TURNS,
    )
    def go_on(
        self,
        sequence: int,
        client: str,
        where: int,
        frames: list[float],
        says: _Says,
        in_place: bool,
        end: bool,
        seconds: float | None,
        fails: bool,
        turns: int,
    ) -> None:
        """Begin a sequence, or go on with it; or go on with nothing, or begin what has begun."""
        who = Who(client, sequence)
        sent = [*frames, POISON] if fails else frames
        start = (self._open(who) is None) is in_place
        self._ask_stored(where, self._stored_message(who, sent, says, start=start, end=end), seconds=seconds)
        self._step("go on", turns)

    @precondition(lambda self: self._may_ask() and self._sent)
    @rule(
        which=st.sampled_from([0, 0, 0, 1, 2, 3]),
        where=WHICH,
        changed=st.sampled_from([False, False, True]),
        turns=TURNS,
    )
    def send_again(self, which: int, where: int, changed: bool, turns: int) -> None:
        """Send a request again to any server, as it was or with other frames."""
        message = self._sent[-1 - which % len(self._sent)]
        self._ask_stored(where, replace(message, frames=(*message.frames, 1.0)) if changed else message)
        self._step("send again", turns)

    @precondition(lambda self: self._may_ask() and any(self._open(Who(_CLIENT, each)) for each in _IDS))
    @rule(sequence=_SEQUENCES, where=WHICH, shift=st.integers(-3, 3), frames=FRAMES, turns=TURNS)
    def misplace_request(self, sequence: int, where: int, shift: int, frames: list[float], turns: int) -> None:
        """Send frames that leave a gap, or overlap."""
        message = self._stored_message(Who(_CLIENT, sequence), frames, (False, True), start=False, end=False)
        place = max(0, (message.said.first_frame or 0) + shift)
        self._ask_stored(where, replace(message, said=Said("", place)))
        self._step("misplace request", turns)

    @precondition(lambda self: self._may_ask() and len(self._replicas) > 1)
    @rule(sequence=_SEQUENCES, where=WHICH, frames=FRAMES, same=st.booleans(), says=_SAYS, turns=TURNS)
    def race(self, sequence: int, where: int, frames: list[float], same: bool, says: _Says, turns: int) -> None:
        """Send two requests for one frame to two servers, the same or different ones."""
        who = Who(_CLIENT, sequence)
        start = self._open(who) is None
        first = self._stored_message(who, frames, says, start=start, end=False)
        second = first if same else self._stored_message(who, [*frames, 2.0], says, start=start, end=False)
        self._ask_stored(where, first)
        self._ask_stored(where + 1, second)
        self._step("race", turns)

    @precondition(lambda self: self._stored)
    @rule(which=WHICH, turns=TURNS)
    def give_up_stored(self, which: int, turns: int) -> None:
        """Cancel a request of a stored sequence."""
        self._stored[which % len(self._stored)].call.cancel()
        self._step("give up stored", turns)

    def _may_ask(self) -> bool:
        return self._bounds.sharing > 0 and len(self._stored) < _MOST_REQUESTS

    def _open(self, who: Who) -> Version | None:
        """Return where a sequence is that hasn't ended, as its callers know."""
        here = self._shared.truth.at(who, self._loop.time())
        return None if here is None or here.state is None else here

    def _stored_message(
        self, who: Who, frames: Sequence[float], says: _Says, *, start: bool, end: bool
    ) -> StoredMessage:
        has_name, has_place = says
        self._names += 1
        here = None if start else self._open(who)
        said = Said(f"request {self._names}" if has_name else "", (here.frame if here else 0) if has_place else None)
        return StoredMessage(who=who, frames=tuple(frames), start=start, end=end, said=said)

    def _ask_stored(self, where: int, message: StoredMessage, *, seconds: float | None = None) -> None:
        self._sent.append(message)
        replica = self._replicas[where % len(self._replicas)]
        self._stored.append(StoredRequest(replica, message, seconds=seconds))
