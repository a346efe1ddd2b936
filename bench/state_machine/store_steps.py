"""What happens to the store that servers share, and on the way to it."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from bench.state_machine.draws import RARELY, TURNS, WHICH
from bench.state_machine.world import World


class StoreSteps(World):
    """Questions to the store wait, arrive once or twice, get lost; servers are lost between a write and its answer."""

    @precondition(lambda self: self._bounds.sharing > 0)
    @rule(count=st.integers(1, 4))
    def hold_questions(self, count: int) -> None:
        """Let the next questions wait on their way."""
        self._shared.way.holds = count
        self._step("hold questions", 0)

    @precondition(lambda self: self._bounds.sharing > 0)
    @rule(count=st.integers(1, 3))
    def refuse_questions(self, count: int) -> None:
        """Let the store be out of reach for the next questions."""
        self._shared.way.refuses = count
        self._step("refuse questions", 0)

    @precondition(lambda self: len(self._shared.way) > 0)
    @rule(which=WHICH, turns=TURNS)
    def answer_question(self, which: int, turns: int) -> None:
        """Let a question arrive, and its answer."""
        self._shared.way.answer(which)
        self._step("answer question", turns)

    @precondition(lambda self: len(self._shared.way) > 0)
    @rule(which=WHICH)
    def take_question(self, which: int) -> None:
        """Let a question arrive, perhaps for the second time; its answer waits."""
        self._shared.way.arrive(which)
        self._step("take question", 0)

    @precondition(lambda self: len(self._shared.way) > 0)
    @rule(which=WHICH)
    def lose_question(self, which: int) -> None:
        """Lose a question, or its answer if it has arrived."""
        self._shared.way.lose(which)
        self._step("lose question", 0)

    @precondition(lambda self: len(self._shared.way) > 0)
    @rule(turns=TURNS)
    def release_questions(self, turns: int) -> None:
        """Let everything through."""
        self._shared.way.release()
        self._step("release questions", turns)

    @precondition(lambda self: len(self._shared.way) > 0)
    @rule(which=WHICH, really=RARELY)
    def crash_after_write(self, which: int, really: bool) -> None:
        """Lose a server whose writes have arrived, and who doesn't know it yet."""
        if really:
            self._shared.way.arrive_all()
            self.tally.steps["crash after write"] += 1
            self._replace(self._replicas[which % len(self._replicas)])
