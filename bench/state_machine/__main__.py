"""`python -m bench.state_machine`: random histories of a server in virtual time, and the shortest one that fails.

Streams and Open Inference sequences are opened, chunks sent, repeated, misplaced and cancelled, answers left unread,
deadlines missed, sessions evicted, servers drained and lost, in any order and between any two turns of the event loop.
Servers share a store, which is slow, out of reach, or forgets to answer.
Every answer is compared to the bit with a model that knows the right one, and every session has to be accounted for.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import click
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from bench.recorded import recording, write_record
from bench.state_machine.run import Outcome, run, run_in_processes
from soloist.cli.parameter_types import SEED


@click.command(help=__doc__)
@click.option("--steps", default=20_000, show_default=True, type=click.IntRange(1), help="How many at least.")
@click.option("--seed", type=SEED, default=0, show_default=True, help="The same seed gives the same histories.")
@click.option("--processes", default=1, show_default=True, type=click.IntRange(1), help="Each has seeds of its own.")
@click.option("--out", type=click.Path(path_type=Path), help="A folder for the record: state_machine.md and .json.")
def main(steps: int, seed: int, processes: int, out: Path | None) -> None:
    """Run histories, and print what they were made of."""
    console = recording()
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("steps", total=steps)

        def told(done: int) -> None:
            progress.update(task, completed=done)

        if processes == 1:
            outcome = run(steps, seed, on_progress=told)
        else:
            outcome = run_in_processes(steps, seed, processes, on_progress=told)
    console.print(_table("step", outcome.tally.steps))
    console.print(_table("end of a call", outcome.tally.outcomes))
    _conclude(console, outcome, seed)
    if out is not None:
        tally = outcome.tally
        figures = {"steps": dict(tally.steps), "ends": dict(tally.outcomes), "histories": tally.histories}
        write_record(out, "state_machine", "Random histories", console, {**figures, "failure": outcome.failure})
    sys.exit(1 if outcome.failure else 0)


def _table(what: str, counts: Counter[str]) -> Table:
    table = Table(what, "count")
    for name, count in counts.most_common():
        table.add_row(name, f"{count:,}")
    return table


def _conclude(console: Console, outcome: Outcome, seed: int) -> None:
    tally = outcome.tally
    console.print(
        f"{tally.steps.total():,} steps in {tally.histories:,} histories, seed {seed}, "
        f"{outcome.seconds:.0f} s of processor time"
    )
    if outcome.failure:
        console.print(outcome.failure, markup=False, highlight=False)
    else:
        console.print("no answer was wrong, nothing was lost, and nobody waited for ever")


if __name__ == "__main__":
    main(prog_name="python -m bench.state_machine")
