"""What happens to a server: runs, turns, time, drain and loss."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from bench.state_machine.draws import ALL_TURNS, RARELY, TURNS, WHICH
from bench.state_machine.world import World


class ServerSteps(World):
    """Workers run, the loop turns, time passes, the server drains or is lost."""

    @precondition(lambda self: any(replica.executor for replica in self._replicas))
    @rule(which=WHICH, turns=TURNS)
    def run(self, which: int, turns: int) -> None:
        """Let a worker do one run."""
        busy = [replica for replica in self._replicas if replica.executor]
        busy[which % len(busy)].finish_run(which)
        self._step("run", turns)

    @precondition(lambda self: any(replica.executor for replica in self._replicas))
    @rule()
    def run_all(self) -> None:
        """Let workers do all runs, also those that follow from them."""
        self._finish_runs()
        self._step("run all", ALL_TURNS)

    @precondition(lambda self: self._loop.is_busy)
    @rule(turns=TURNS)
    def turn(self, turns: int) -> None:
        """Let the event loop turn."""
        self._step("turn", turns)

    @precondition(lambda self: self._calls() or self._replica.room.owners or self._bounds.sharing)
    @rule(seconds=st.sampled_from([0.1, 0.1, 0.3, 0.3, 1.0, 1.0, 5.0, 21.0]))
    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self._loop.advance(seconds)
        self._step("wait", ALL_TURNS)

    @precondition(lambda self: not self._replica.is_draining)
    @rule(really=RARELY, turns=TURNS)
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
        mine = [each for each in self._calls() if each.replica is self._replica]
        late = [each for each in mine if not (each.is_over or each.call.is_stuck)]
        self._check(not late, "a call was not cut")
        self.tally.steps["cut"] += 1
        self._replace(self._replica)

    @rule(which=WHICH, really=RARELY)
    def crash(self, which: int, really: bool) -> None:
        """Lose a server with all that it knows, and start another one."""
        if really:
            self.tally.steps["crash"] += 1
            self._replace(self._replicas[which % len(self._replicas)])
