"""`soloist bench`: load a server, and print latencies or the highest rate that keeps them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from soloist.cli.parameter_types import SEED, UTF8, NumberRange
from soloist.cli.programs import load
from soloist.cli.session import credential_options, credentials, server_option
from soloist.integers import LARGEST_INT32, LONGEST_SECONDS, whole_number

_POSITIVE = NumberRange(0, min_open=True)
# More than any machine bears; beyond them a run would be set up for hours, or until there is no memory.
_MOST_CALLERS, _MOST_PROCESSES, _MOST_CONNECTIONS = 1_000_000, 1_000, 65_535


def _lengths(_ctx: click.Context, _parameter: click.Parameter, given: str | None) -> tuple[int, int] | None:
    if given is None:
        return None
    shortest, longest = (whole_number(part, LARGEST_INT32) for part in given.partition(":")[::2])
    if not (shortest and longest and shortest <= longest):
        raise click.BadParameter(f"{given!r} is not MIN:MAX, two numbers of frames from 1 to {LARGEST_INT32}")
    return shortest, longest


def _writable(_ctx: click.Context, _parameter: click.Parameter, given: Path | None) -> Path | None:
    if given is not None and not given.parent.is_dir():
        raise click.BadParameter(f"there is no folder {given.parent}")
    return given


@click.command()
@server_option()
@click.option("--model", type=UTF8, required=True, help="Model to ask.")
@click.option("--rate", "rate_per_second", type=_POSITIVE, default=50.0, show_default=True, help="Requests a second.")
@click.option("--seconds", type=_POSITIVE, default=10.0, show_default=True, help="How long requests arrive.")
@click.option(
    "--mode",
    type=click.Choice(["unary", "stream", "mixed"], case_sensitive=False),
    default="unary",
    show_default=True,
    help="Whole, in chunks, or some of each.",
)
@click.option(
    "--stream-share",
    type=NumberRange(0, 1),
    default=0.5,
    show_default=True,
    help="Share of the requests that are streams, in mixed mode.",
)
@click.option(
    "--api",
    type=click.Choice(["soloist", "oip"], case_sensitive=False),
    default="soloist",
    show_default=True,
    help="Own API, or the Open Inference Protocol.",
)
@click.option(
    "--arrivals",
    type=click.Choice(["poisson", "uniform"], case_sensitive=False),
    default="poisson",
    show_default=True,
    help="Spread.",
)
@click.option("--seed", type=SEED, default=0, show_default=True, help="Of arrivals, choice of sequences, and cuts.")
@click.option("--chunk-frames", type=click.IntRange(1, LARGEST_INT32), help="Frames a chunk; default: cut at random.")
@click.option(
    "--chunk-interval-seconds",
    type=NumberRange(0),
    default=0.0,
    show_default=True,
    help="Time between the chunks of a stream; 0: as soon as the last is answered.",
)
@click.option(
    "--chunks-in-flight",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Chunks that a stream sends before the first of them is answered.",
)
@click.option(
    "--timeout-seconds",
    type=NumberRange(0, LONGEST_SECONDS, min_open=True),
    default=10.0,
    show_default=True,
    help="Longest a request may take.",
)
@click.option("--max-in-flight", type=click.IntRange(min=1), default=1000, show_default=True, help="Requests at once.")
@click.option(
    "--input",
    "--frames-file",
    "frames_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="JSON lines, one sequence each; .npz: one an array, or a data set; .npy: one. Default: made up.",
)
@click.option(
    "--lengths",
    "frame_counts",
    metavar="MIN:MAX",
    callback=_lengths,
    help="Of made-up sequences, in frames, uniform. Default: as the model was trained on.",
)
@click.option("--check", is_flag=True, help="Compare every answer to the bit with one that was got alone beforehand.")
@click.option(
    "--client",
    type=click.Choice(["grpc.aio", "httpunk"], case_sensitive=False),
    default="grpc.aio",
    show_default=True,
    help="What speaks gRPC; httpunk takes less processor time, and needs the extra fast.",
)
@click.option(
    "--callers", type=click.IntRange(1, _MOST_CALLERS), help="Closed loop: so many, each waiting for its answer."
)
@click.option(
    "--processes", type=click.IntRange(1, _MOST_PROCESSES), default=1, show_default=True, help="That share the load."
)
@click.option(
    "--connections",
    type=click.IntRange(1, _MOST_CONNECTIONS),
    help="Of each process. Default: one for each hundred streams.",
)
@click.option("--ramp-p99-ms", type=_POSITIVE, help="Look for the highest rate that keeps this p99, from --rate on.")
@click.option(
    "--serve",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="REPOSITORY",
    help="Start a server of this repository for the run, and load that.",
)
@click.option(
    "--transport",
    type=click.Choice(["grpc", "httpunk"], case_sensitive=False),
    default="grpc",
    show_default=True,
    help="Of the server that --serve starts.",
)
@click.option("--allow-remote", is_flag=True, help="Load another machine; only loopback is loaded without.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option(
    "--html",
    type=click.Path(dir_okay=False, path_type=Path),
    callback=_writable,
    help="Write a page with plots to this file.",
)
@credential_options
def bench(
    serve: Path | None,
    transport: str,
    frames_file: Path | None,
    ramp_p99_ms: float | None,
    allow_remote: bool,
    as_json: bool,
    html: Path | None,
    **fields: Any,
) -> None:
    """Load a server with requests whose times were fixed beforehand; latency counts from those times.

    With --callers the loop is closed, and latency counts from when a request is sent.

    Exit codes: 0 all were answered (a ramp: some rate kept its target), 1 some failed or differed, 2 wrong usage.
    """
    fields |= credentials(fields["server"])
    how = {"frames_file": frames_file, "ramp_p99_ms": ramp_p99_ms, "allow_remote": allow_remote}
    main = load("bench.load_generator.command", "main", extras="bench")
    sys.exit(main(fields, repository=serve, transport=transport, as_json=as_json, html=html, **how))
