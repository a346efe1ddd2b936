"""Many random histories, one batch after the other, until there have been so many steps."""

from __future__ import annotations

import multiprocessing
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from bench.state_machine.histories import Histories, silent
from bench.state_machine.world import Tally, World

# Hypothesis keeps what it has tried in memory, so a run of millions of steps is many small ones.
_HISTORIES = 200
_STEPS = 60
# Every batch has the next seed, and no process comes to those of another.
_SEEDS_APART = 1_000_000
# Printed after every step of a history.
_INVARIANT = ".nothing_is_wrong()"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What was tried, in how much processor time; `failure` is the shortest history that fails, if one does."""

    tally: Tally
    seconds: float
    failure: str = ""


def run(
    steps: int, first_seed: int, *, shortens: bool = True, on_progress: Callable[[int], None] = lambda _: None
) -> Outcome:
    """Run histories until there have been `steps` steps, or one fails; that is made as short as it gets.

    Args:
        steps: how many at least.
        first_seed: the same seed gives the same histories.
        shortens: False if the history that fails may stay as it was found.
        on_progress: called now and then with the number of steps so far.

    """
    began = time.process_time()
    tally = World.tally = Tally()
    failure, batch = "", 0
    with silent():
        while not failure and tally.steps.total() < steps:
            failure = _batch(first_seed + batch, min(_HISTORIES, max(1, steps // _STEPS)), shortens)
            batch += 1
            on_progress(tally.steps.total())
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


def run_in_processes(
    steps: int, first_seed: int, processes: int, *, on_progress: Callable[[int], None] = lambda _: None
) -> Outcome:
    """Run histories in several processes, each with seeds of its own, until there have been so many steps together."""
    share = -(-steps // processes)
    tally, seconds, failure = Tally(), 0.0, ""
    with ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn")) as pool:
        parts = [pool.submit(run, share, first_seed + place * _SEEDS_APART) for place in range(processes)]
        for part in as_completed(parts):
            outcome = part.result()
            tally.add(outcome.tally)
            seconds += outcome.seconds
            failure = failure or outcome.failure
            on_progress(tally.steps.total())
    return Outcome(tally=tally, seconds=seconds, failure=failure)
