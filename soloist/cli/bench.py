"""`soloist bench`: load a server, and print latencies or the highest rate that keeps them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from soloist.cli.programs import load
from soloist.cli.session import DEFAULT_SERVER


def _positive(minimum: float = 0.0, *, open_end: bool = True) -> click.FloatRange:
    return click.FloatRange(min=minimum, min_open=open_end)


@click.command()
@click.option("--server", "-s", envvar="SOLOIST_SERVER", default=DEFAULT_SERVER, show_default=True, metavar="HOST:PORT")
@click.option("--model", required=True, help="Model to ask.")
@click.option("--rate", "rate_per_second", type=_positive(), default=50.0, show_default=True, help="Requests a second.")
@click.option("--seconds", type=_positive(), default=10.0, show_default=True, help="How long requests arrive.")
@click.option(
    "--mode",
    type=click.Choice(["unary", "stream"], case_sensitive=False),
    default="unary",
    show_default=True,
    help="Whole, or in chunks.",
)
@click.option(
    "--arrivals",
    type=click.Choice(["poisson", "uniform"], case_sensitive=False),
    default="poisson",
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
@click.option("--callers", type=click.IntRange(min=1), help="Closed loop: so many, each waiting for its answer.")
@click.option("--processes", type=click.IntRange(min=1), default=1, show_default=True, help="That share the load.")
@click.option("--ramp-p99-ms", type=_positive(), help="Look for the highest rate that keeps this p99, from --rate on.")
@click.option(
    "--serve",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="REPOSITORY",
    help="Start a server of this repository for the run, and load that.",
)
@click.option("--allow-remote", is_flag=True, help="Load another machine; only loopback is loaded without.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def bench(
    serve: Path | None,
    frames_file: Path | None,
    ramp_p99_ms: float | None,
    allow_remote: bool,
    as_json: bool,
    **fields: Any,
) -> None:
    """Load a server with requests whose times were fixed beforehand; latency counts from those times.

    With --callers the loop is closed, and latency counts from when a request is sent.

    Exit codes: 0 all were answered (a ramp: some rate kept its target), 1 some failed, 2 wrong usage.
    """
    how = {"frames_file": frames_file, "ramp_p99_ms": ramp_p99_ms, "allow_remote": allow_remote, "as_json": as_json}
    sys.exit(load("bench.command", "main", extras="bench")(fields, repository=serve, **how))
