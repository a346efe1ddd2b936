"""`python -m bench.server_processes`: what several server processes answer beside one, as ratios in one run.

Both servers are loaded in turn, so what else the machine does falls on both alike. The client needs processors, too,
and where it shares them with the server the ratio of rates says little. So the processor time of each process is taken
apart: a server whose processes had a processor each would be as fast as its busiest one.
"""

from __future__ import annotations

import multiprocessing
import statistics
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from bench.load_generator.workload import WorkloadError, synthetic_sequences
from bench.process_load import Callers, Turn, take_turn
from bench.server.process import ServerError, serving
from soloist import Client, SoloistError
from soloist.json_text import json_text


@dataclass(frozen=True, kw_only=True)
class Gain:
    """A server of several processes beside one of one: medians over the rounds of ratios, which are of one round each.

    `with_own_cores` is the gain if each process had a processor of its own and the client none of them, and `if_even`
    the same if connections were spread evenly, too.
    """

    processes: int
    rates: float
    with_own_cores: float
    least: float
    largest: float
    if_even: float
    failed: int


def gain(processes: int, several: Sequence[Turn], one: Sequence[Turn]) -> Gain:
    """Compare round by round."""
    pairs = list(zip(several, one, strict=True))
    own_cores = [alone.busiest_ms / each.busiest_ms for each, alone in pairs]
    return Gain(
        processes=processes,
        rates=statistics.median(each.rate_per_second / alone.rate_per_second for each, alone in pairs),
        with_own_cores=statistics.median(own_cores),
        least=min(own_cores),
        largest=max(own_cores),
        if_even=statistics.median(processes * alone.server_ms / each.server_ms for each, alone in pairs),
        failed=sum(turn.failed for turn in (*several, *one)),
    )


def compare(
    repository: Path, settings: Mapping[str, object], processes: int, callers: Callers, *, rounds: int
) -> dict[int, list[Turn]]:
    """Serve with one process and with several, and load both in turn; returns the turns by processes.

    Raises ServerError, SoloistError and WorkloadError.
    """
    turns: dict[int, list[Turn]] = {1: [], processes: []}
    with ExitStack() as stack:
        context = multiprocessing.get_context("spawn")
        clients = stack.enter_context(ProcessPoolExecutor(callers.clients, mp_context=context))
        servers = {count: stack.enter_context(serving(repository, {**settings, "processes": count})) for count in turns}
        with Client(servers[1].grpc) as client:
            manifest = client.model(callers.model).manifest
        if manifest is None:
            raise WorkloadError(f"{callers.model} can't be called")
        sequences = synthetic_sequences(manifest, seed=0)
        for number in range(rounds + 1):
            for count in list(turns) if number % 2 else list(reversed(turns)):
                turn = take_turn(servers[count], callers, sequences, clients)
                if number:  # the first round warms up
                    turns[count].append(turn)
    return turns


def _table(turns: dict[int, list[Turn]], model: str) -> Table:
    table = Table(
        *("processes", "a second", "server's ms", "busiest process's ms", "client's ms"),
        title=f"{model}: medians; milliseconds are of processor time a request",
    )
    for processes, found in turns.items():
        figures = [(each.server_ms, each.busiest_ms, each.client_ms) for each in found]
        medians = [f"{statistics.median(column):.3f}" for column in zip(*figures, strict=True)]
        table.add_row(str(processes), f"{statistics.median(each.rate_per_second for each in found):.0f}", *medians)
    return table


@click.command()
@click.option("--repository", type=click.Path(exists=True, file_okay=False, path_type=Path), required=True)
@click.option("--model", required=True, help="Model to ask.")
@click.option("--processes", type=click.IntRange(min=2), default=2, show_default=True, help="Compared with one.")
@click.option("--workers", type=click.IntRange(min=1), default=1, show_default=True, help="Of each process.")
@click.option("--transport", type=click.Choice(("grpc", "httpunk")), default="grpc", show_default=True)
@click.option("--clients", type=click.IntRange(min=1), default=1, show_default=True, help="Processes that ask.")
@click.option("--connections", type=click.IntRange(min=1), default=64, show_default=True, help="Of each client.")
@click.option("--calls", type=click.IntRange(min=1), default=1, show_default=True, help="At once on a connection.")
@click.option("--seconds", type=click.FloatRange(min=0.1), default=3.0, show_default=True, help="Of each load.")
@click.option("--rounds", type=click.IntRange(min=1), default=7, show_default=True, help="After one to warm up.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def main(
    repository: Path,
    model: str,
    processes: int,
    workers: int,
    transport: str,
    clients: int,
    connections: int,
    calls: int,
    seconds: float,
    rounds: int,
    as_json: bool,
) -> None:
    """Compare a server of several processes with one of one process under the same closed loop.

    Exit codes: 0 all requests were answered, 1 some failed, 2 wrong usage.
    """
    settings = {"workers": workers, "transport": transport}
    callers = Callers(model=model, clients=clients, connections=connections, calls_at_once=calls, seconds=seconds)
    try:
        turns = compare(repository, settings, processes, callers, rounds=rounds)
    except (ServerError, SoloistError, WorkloadError) as error:
        raise click.ClickException(str(error)) from error
    found = gain(processes, turns[processes], turns[1])
    if as_json:
        click.echo(json_text(asdict(found)))
    else:
        Console().print(_table(turns, model))
        click.echo(f"rates, {processes} processes to 1: {found.rates:.2f}")
        click.echo(
            f"with a processor for each and none for the client: {found.with_own_cores:.2f} "
            f"(from {found.least:.2f} to {found.largest:.2f})"
        )
        click.echo(f"the same if connections were spread evenly: {found.if_even:.2f}")
    raise SystemExit(1 if found.failed else 0)


if __name__ == "__main__":
    main(prog_name="python -m bench.server_processes")
