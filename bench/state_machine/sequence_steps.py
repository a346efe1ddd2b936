"""What callers of Open Inference sequences do next."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from bench.state_machine.chain_model import POISON
from bench.state_machine.draws import FRAMES, LIMIT, TURNS, WHICH
from bench.state_machine.sequence_request import SequenceRequest
from bench.state_machine.world import World


class SequenceSteps(World):
    """Requests of sequences are sent, resumed and given up."""

    @precondition(lambda self: not self._bounds.sharing)
    @rule(
        sequence=st.integers(1, 3),
        frames=FRAMES,
        in_place=st.sampled_from([True, True, True, False]),
        end=st.sampled_from([False, False, True]),
        seconds=LIMIT,
        fails=st.sampled_from([False, False, False, True]),
        turns=TURNS,
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
    @rule(which=WHICH, frames=FRAMES, turns=TURNS)
    def resume(self, which: int, frames: list[float], turns: int) -> None:
        """Go on with a sequence from the state that its caller has kept, whatever became of the server's."""
        sequence = sorted(self._kept)[which % len(self._kept)]
        self._ask(sequence, frames, start=True, end=False, brought=self._kept[sequence])
        self._step("resume", turns)

    @precondition(lambda self: self._requests)
    @rule(which=WHICH, turns=TURNS)
    def give_up(self, which: int, turns: int) -> None:
        """Cancel a request of a sequence."""
        self._requests[which % len(self._requests)].call.cancel()
        self._step("give_up", turns)

    def _ask(self, sequence: int, frames: list[float], **how: Any) -> None:
        self._requests.append(SequenceRequest(self._replica, sequence, frames, **how))
