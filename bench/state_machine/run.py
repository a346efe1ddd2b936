"""Many random histories, one batch after the other, until there have been so many steps."""

from __future__ import annotations

import time
import traceback
from dataclasses import dataclass

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from bench.state_machine.histories import Histories, Tally, silent

# Hypothesis keeps what it has tried in memory, so a run of millions of steps is many small ones.
_HISTORIES = 200
_STEPS = 60
# Printed after every step of a history.
_INVARIANT = ".nothing_is_wrong()"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What was tried, in how much processor time; `failure` is the shortest history that fails, if one does."""

    tally: Tally
    seconds: float
    failure: str = ""


def run(steps: int, first_seed: int, *, shortens: bool = True) -> Outcome:
    """Run histories until there have been `steps` steps, or one fails; that is made as short as it gets.

    The same seed gives the same histories. Without `shortens` the history that fails is printed as it was found.
    """
    began = time.process_time()
    tally = Histories.tally = Tally()
    failure, batch = "", 0
    with silent():
        while not failure and tally.steps.total() < steps:
            failure = _batch(first_seed + batch, min(_HISTORIES, max(1, steps // _STEPS)), shortens)
            batch += 1
    return Outcome(tally=tally, seconds=time.process_time() - began, failure=failure)


def _batch(number: int, histories: int, shortens: bool) -> str:
    how = settings(
        max_examples=histories,
        stateful_step_count=_STEPS,
        deadline=None,
        database=None,
        print_blob=False,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate, Phase.shrink) if shortens else (Phase.generate,),
    )
    try:
        run_state_machine_as_test(seed(number)(Histories), settings=how)
    except Exception as error:
        lines = "".join(traceback.format_exception_only(error)).splitlines()
        return "\n".join(line for line in lines if not line.endswith(_INVARIANT))
    return ""
