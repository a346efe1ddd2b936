"""`python -m bench.tls`: certificates renewed under open streams, and callers that speak TLS badly."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from statistics import median

import click
from rich.console import Console
from rich.table import Table

from bench.load_generator.workload import WorkloadError
from bench.recorded import recording, write_record
from bench.server.process import ServerError
from bench.small_model import MODEL, models_of, repository_option
from bench.tls.hostile import Answered, send_all
from bench.tls.renewal import Renewed, renew_under_streams
from bench.tls.site import TRANSPORTS, secured
from soloist import SoloistError
from soloist.cli.parameter_types import SEED

_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
_out = click.option("--out", type=click.Path(path_type=Path), help="A folder for the record of the run.")
_transport = click.option("--transport", type=click.Choice(TRANSPORTS), default=TRANSPORTS[0], show_default=True)


@click.group()
def main() -> None:
    """Try TLS on a server of the command's own. Exit codes: 0 nothing went wrong, 1 something did, 2 wrong usage."""


@main.command()
@repository_option
@click.option("--model", default=MODEL, show_default=True, help="To stream to.")
@_transport
@click.option("--streams", type=click.IntRange(min=1), default=200, show_default=True, help="Each on one.")
@click.option("--renewals", type=click.IntRange(min=1), default=10, show_default=True, help="Of all files.")
@click.option("--processes", type=click.IntRange(min=1), default=1, show_default=True, help="Of the server.")
@click.option(
    "--reload-seconds", type=click.FloatRange(min=0.01), default=0.2, show_default=True, help="As the setting."
)
@_out
def renewal(
    repository: Path | None,
    model: str,
    transport: str,
    streams: int,
    renewals: int,
    processes: int,
    reload_seconds: float,
    out: Path | None,
) -> None:
    """Renew certificates under open streams, and count those that end, and answers whose bits differ."""
    settings = {"transport": transport, "processes": processes, "tls_reload_seconds": reload_seconds}
    try:
        with ExitStack() as stack:
            folder = stack.enter_context(models_of(repository))
            site = stack.enter_context(secured(folder, **settings))
            result = asyncio.run(renew_under_streams(site, model, streams=streams, renewals=renewals))
    except (ServerError, SoloistError, WorkloadError) as error:
        raise click.ClickException(str(error)) from error
    console = recording()
    _print_renewal(result, console)
    if out is not None:
        write_record(out, f"tls-renewal-{transport}", "Certificates renewed under streams", console, asdict(result))
    raise SystemExit(0 if result.is_clean else 1)


@main.command()
@repository_option
@_transport
@click.option(
    "--inputs", type=click.IntRange(min=1), default=20_000, show_default=True, help="Mutations, for each port."
)
@click.option("--seed", type=SEED, default=0, show_default=True, help="Of all mutations.")
@click.option(
    "--handshake-seconds", type=click.FloatRange(min=0.1), default=1.0, show_default=True, help="As the setting."
)
@_out
def hostile(
    repository: Path | None, transport: str, inputs: int, seed: int, handshake_seconds: float, out: Path | None
) -> None:
    """Send both ports what isn't TLS, or not all of it, and see that each connection ends and the server lives on."""
    settings = {"transport": transport, "handshake_timeout_seconds": handshake_seconds}
    try:
        with ExitStack() as stack:
            folder = stack.enter_context(models_of(repository))
            site = stack.enter_context(secured(folder, **settings))
            found = asyncio.run(send_all(site, inputs=inputs, seed=seed, handshake_seconds=handshake_seconds))
    except ServerError as error:
        raise click.ClickException(str(error)) from error
    console = recording()
    _print_hostile(found, console)
    if out is not None:
        ends = {f"{port}: {end}": count for (port, end), count in found.ends.items()}
        write_record(out, f"tls-hostile-{transport}", "What isn't TLS", console, {"ends": ends, "faults": found.faults})
    raise SystemExit(1 if found.faults else 0)


def _print_renewal(result: Renewed, console: Console) -> None:
    console.print(f"{result.streams} streams, {result.renewals} renewals, {result.answers} answers")
    console.print(f"streams that ended: {result.dropped}, answers with other bits: {result.changed}")
    if result.seconds:
        console.print(f"taken up after {median(result.seconds):.2f} s (median), {max(result.seconds):.2f} s at most")
    console.print(f"renewals that weren't taken up: {result.late}")


def _print_hostile(found: Answered, console: Console) -> None:
    table = Table("port", "connection", "times")
    table.columns[-1].justify = "right"
    for (port, end), count in sorted(found.ends.items()):
        table.add_row(port, end, str(count))
    console.print(table)
    console.print(f"memory of the server: {found.memory_before:.0f} MiB before, {found.memory_after:.0f} MiB after")
    console.print(f"descriptors: {found.descriptors_before:.0f} before, {found.descriptors_after:.0f} after")
    for fault in found.faults:
        console.print(fault, markup=False)
    console.print("nothing did harm" if not found.faults else "something did harm")


if __name__ == "__main__":
    main(prog_name="python -m bench.tls")
