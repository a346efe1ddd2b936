"""`python -m bench.faults`: replicas behind Envoy are killed, stopped, drained and cut off, and nothing may be lost."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from bench.faults.envoy import NoEnvoyError
from bench.faults.run import Plan, run
from bench.faults.tally import Tally
from bench.load_generator.workload import WorkloadError
from bench.recorded import recording, write_record
from bench.server.process import ServerError
from bench.server.redis import NoRedisError
from bench.small_model import MODEL, models_of, repository_option
from soloist import SoloistError

_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
_COLUMNS = ("sequences", "answers", "lost", "changed", "doubled", "resumed", "longest pause (s)")


@click.command()
@repository_option
@click.option("--model", default=MODEL, show_default=True, help="To stream to: one that takes Japanese vowels.")
@click.option("--transport", type=click.Choice(("grpc", "httpunk")), default="grpc", show_default=True)
@click.option("--streams", type=click.IntRange(min=1), default=200, show_default=True, help="At once.")
@click.option(
    "--sequences",
    type=click.IntRange(min=0),
    default=50,
    show_default=True,
    help="By id, in Redis; 0: none.",
)
@click.option("--rounds", type=click.IntRange(min=1), default=6, show_default=True, help="Of each fault.")
@click.option("--short", is_flag=True, help="A few streams, one round.")
@click.option("--out", type=click.Path(path_type=Path), help="A folder for the record: faults.md and .json.")
def main(
    repository: Path | None,
    model: str,
    transport: str,
    streams: int,
    sequences: int,
    rounds: int,
    short: bool,
    out: Path | None,
) -> None:
    """Do faults to replicas under load. Exit codes: 0 nothing lost, changed or doubled, 1 something was, 2 usage."""
    plan = Plan(
        streams=8 if short else streams,
        sequences=min(sequences, 4) if short else sequences,
        rounds=1 if short else rounds,
        silent_seconds=5.0 if short else 8.0,
        quiet_seconds=0.5 if short else 4.0,
        pause_seconds=0.02 if short else 0.2,
        transport=transport,
    )
    console, results = Console(stderr=True), recording()
    try:
        with ExitStack() as stack:
            models = stack.enter_context(models_of(repository))
            folder = Path(stack.enter_context(TemporaryDirectory()))
            tally = asyncio.run(run(plan, models, model, folder, console.print))
    except (NoEnvoyError, NoRedisError, ServerError, SoloistError, WorkloadError) as error:
        raise click.ClickException(str(error)) from error
    _print(tally, results)
    if out is not None:
        write_record(out, "faults", "Replicas behind Envoy", results, {"plan": asdict(plan), **_figures(tally)})
    raise SystemExit(0 if tally.is_clean else 1)


def _print(tally: Tally, console: Console) -> None:
    table = Table("fault", *_COLUMNS)
    for column in table.columns[1:]:
        column.justify = "right"
    for fault, row in tally.rows.items():
        *counts, pause = asdict(row).values()
        table.add_row(fault, *map(str, counts), f"{pause:.2f}")
    console.print(table)
    console.print("labels: " + ", ".join(f"{count} {outcome}" for outcome, count in sorted(tally.labels.items())))
    for error in tally.errors[:10]:
        console.print(error, markup=False)


def _figures(tally: Tally) -> dict[str, Any]:
    rows = {fault: asdict(row) for fault, row in tally.rows.items()}
    return {"rows": rows, "labels": tally.labels, "errors": tally.errors}


if __name__ == "__main__":
    main(prog_name="python -m bench.faults")
