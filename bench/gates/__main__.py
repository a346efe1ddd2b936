"""`python -m bench.gates`: try every gate of a transport on a server of its own, and print the verdicts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from bench.gates import endings, floods, readers, traffic
from bench.gates.target import GateError, Target, target
from bench.gates.traffic import Tick
from bench.load_generator.workload import WorkloadError
from bench.server.process import ServerError

_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@dataclass(frozen=True)
class Gate:
    """One gate: its name, how it is tried, and how often in a full and in a short run."""

    name: str
    attempt: Callable[[Target, int, Tick], str]
    count: int = 1
    short: int = 1


GATES = (
    Gate("calls over one connection", traffic.many_calls, 1_000_000, 1_000),
    Gate("messages of one stream", traffic.many_messages, 1_000_000, 500),
    Gate("messages of 16 MiB", traffic.large_messages, 20, 1),
    Gate("compressed messages", traffic.compressed),
    Gate("metadata", traffic.metadata),
    Gate("cancels and half closes", endings.cancels, 400, 40),
    Gate("deadlines without resets", endings.deadlines, 400, 20),
    Gate("a client that is killed", endings.killed, 100, 10),
    Gate("a drain", endings.drain),
    Gate("callers that never read", readers.callers, 400, 20),
    Gate("handlers that never read", readers.handlers, 40, 5),
    Gate("flood of PING", readers.pings, 5_000_000, 500_000),
    Gate("flood of SETTINGS", readers.settings, 5_000_000, 500_000),
    Gate("flood of empty DATA", readers.empty_data, 1_000_000, 50_000),
    Gate("flood of resets", floods.resets, 100_000, 500),
    Gate("flood of CONTINUATION", floods.header_blocks, 50, 2),
    Gate("mutated connections", floods.mutated, 100_000, 100),
    Gate("requests without what they need", floods.odd_requests),
)


@dataclass(frozen=True)
class Verdict:
    """What came of one gate."""

    gate: str
    passed: bool
    measured: str


@click.command()
@click.option("--repository", type=_FOLDER, default="out/demo/repository", show_default=True, help="Models to serve.")
@click.option(
    "--transport", type=click.Choice(["httpunk", "grpc"]), default="httpunk", show_default=True, help="To try."
)
@click.option("--short", is_flag=True, help="Fewer of everything: a minute instead of half an hour.")
@click.option("--only", multiple=True, metavar="TEXT", help="Gates with this text in their names.")
@click.option(
    "--out", type=click.Path(path_type=Path), default="out/gates", show_default=True, help="The server's log."
)
def main(repository: Path, transport: str, short: bool, only: Sequence[str], out: Path) -> None:
    """Try every gate on a server of its own.

    Exit codes: 0 all passed, 1 one didn't, or the server didn't start, 2 wrong usage.
    """
    gates = [gate for gate in GATES if not only or any(text in gate.name for text in only)]
    out.mkdir(parents=True, exist_ok=True)
    try:
        verdicts = tried(gates, repository, transport, out / "server.log", short=short)
    except (ServerError, WorkloadError, GateError) as error:
        raise click.ClickException(str(error)) from error
    table = Table("gate", "verdict", "measured", title=f"gates of {transport}")
    for verdict in verdicts:
        table.add_row(verdict.gate, "pass" if verdict.passed else "FAIL", verdict.measured)
    Console().print(table)
    raise SystemExit(0 if all(verdict.passed for verdict in verdicts) else 1)


def tried(gates: Sequence[Gate], repository: Path, transport: str, log: Path, *, short: bool) -> list[Verdict]:
    """Try gates one after the other. Raises ServerError and WorkloadError."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    verdicts = []
    with (
        target(repository, transport, log) as tried_on,
        Progress(*columns, console=Console(stderr=True), transient=True) as progress,
    ):
        for gate in gates:
            count = gate.short if short else gate.count
            task = progress.add_task(gate.name, total=count)
            try:
                measured = gate.attempt(tried_on, count, partial(progress.advance, task))
                verdicts.append(Verdict(gate.name, True, measured))
            except (GateError, OSError) as error:
                verdicts.append(Verdict(gate.name, False, str(error)))
            progress.remove_task(task)
    return verdicts


if __name__ == "__main__":
    main(prog_name="python -m bench.gates")
