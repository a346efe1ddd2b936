"""`python -m bench`: load a server, open loop, and print latencies."""

from __future__ import annotations

import asyncio
from dataclasses import fields
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from bench.load import Arrivals, Load, Mode
from bench.report import remarks, table
from bench.run import measure
from bench.workload import WorkloadError, read_sequences
from soloist import SoloistError
from soloist.json_text import json_text


def _positive(minimum: float = 0.0, *, open_end: bool = True) -> click.FloatRange:
    return click.FloatRange(min=minimum, min_open=open_end)


@click.command()
@click.option("--server", default="localhost:8001", show_default=True, metavar="HOST:PORT", help="Where it listens.")
@click.option("--model", required=True, help="Model to ask.")
@click.option("--rate", "rate_per_second", type=_positive(), default=50.0, show_default=True, help="Requests a second.")
@click.option("--seconds", type=_positive(), default=10.0, show_default=True, help="How long requests arrive.")
@click.option(
    "--mode",
    type=click.Choice(Mode, case_sensitive=False),
    default=Mode.UNARY,
    show_default=True,
    help="Whole, or in chunks.",
)
@click.option(
    "--arrivals",
    type=click.Choice(Arrivals, case_sensitive=False),
    default=Arrivals.POISSON,
    show_default=True,
    help="Spread.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of arrivals, choice of sequences, and cuts.")
@click.option("--chunk-frames", type=click.IntRange(min=1), help="Frames a chunk; default: cut at random.")
@click.option(
    "--chunk-interval-seconds",
    type=_positive(open_end=False),
    default=0.0,
    show_default=True,
    help="Time between the chunks of a stream; 0: as soon as the last is answered.",
)
@click.option(
    "--timeout-seconds", type=_positive(), default=10.0, show_default=True, help="Longest a request may take."
)
@click.option("--max-in-flight", type=click.IntRange(min=1), default=1000, show_default=True, help="Requests at once.")
@click.option(
    "--frames-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help=".npy: one sequence; .npz: one an array. Default: made up from the model's signature.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def main(frames_file: Path | None, as_json: bool, **options: Any) -> None:
    """Load a server with requests whose times were fixed beforehand; latency counts from those times.

    Exit codes: 0 all were answered, 1 some failed, 2 wrong usage.
    """
    load = Load(**{field.name: options[field.name] for field in fields(Load)})
    try:
        sequences = read_sequences(frames_file) if frames_file else None
        summary = asyncio.run(measure(load, sequences))
    except (SoloistError, WorkloadError, ValueError) as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        click.echo(json_text(summary.as_json()))
    else:
        console = Console(highlight=False)
        console.print(table(summary))
        for line in remarks(summary):
            console.print(line)
    raise SystemExit(1 if summary.errors else 0)


if __name__ == "__main__":
    main(prog_name="python -m bench")
