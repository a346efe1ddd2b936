"""What `soloist bench` does: one load, or a ramp to the knee, printed as a table or as JSON."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from bench import ramp, report
from bench.load import Api, Arrivals, Load, Mode, Transport
from bench.processes import measure_load
from bench.server_process import ServerError, serving
from bench.workload import WorkloadError, read_sequences
from soloist import SoloistError
from soloist.client.channel import is_local
from soloist.json_text import json_text


def main(
    fields: dict[str, Any],
    *,
    repository: Path | None,
    frames_file: Path | None,
    ramp_p99_ms: float | None,
    allow_remote: bool,
    as_json: bool,
) -> int:
    """Load a server as `fields` of Load say; returns the exit code. Raises click's errors.

    With a `repository` a server of it is started for the run, and stands in for the one in `fields`.
    """
    if repository is None:
        return _load(
            fields, frames_file=frames_file, ramp_p99_ms=ramp_p99_ms, allow_remote=allow_remote, as_json=as_json
        )
    try:
        with serving(repository, {}) as server:
            fields = {**fields, "server": server.grpc}
            return _load(fields, frames_file=frames_file, ramp_p99_ms=ramp_p99_ms, allow_remote=True, as_json=as_json)
    except ServerError as error:
        raise click.ClickException(str(error)) from error


def _load(
    fields: dict[str, Any], *, frames_file: Path | None, ramp_p99_ms: float | None, allow_remote: bool, as_json: bool
) -> int:
    kinds = {"mode": Mode, "arrivals": Arrivals, "api": Api, "client": Transport}
    load = Load(**fields | {name: kind(fields[name]) for name, kind in kinds.items()})
    if not (allow_remote or is_local(load.server)):
        raise click.UsageError(f"{load.server} is another machine: --allow-remote loads it all the same")
    if load.callers is not None and (ramp_p99_ms is not None or load.callers < load.processes):
        raise click.UsageError("--callers goes with no ramp, and each process needs one")
    if load.frame_counts is not None and frames_file is not None:
        raise click.UsageError("--lengths are those of made-up sequences: leave out --input")
    console = Console(stderr=True)
    try:
        sequences = read_sequences(frames_file) if frames_file else None
        with console.status(f"{load.model}: {load.seconds:g} s") as status:
            if ramp_p99_ms is None:
                return _show(measure_load(load, sequences), as_json)

            def step(rate_per_second: float) -> report.Summary:
                status.update(f"{load.model}: {rate_per_second:.1f} a second for {load.seconds:g} s")
                return measure_load(replace(load, rate_per_second=rate_per_second), sequences)

            return _show_knee(ramp.find_knee(step, first_per_second=load.rate_per_second, p99_ms=ramp_p99_ms), as_json)
    except (SoloistError, WorkloadError, ValueError) as error:
        raise click.ClickException(str(error)) from error


def _show(summary: report.Summary, as_json: bool) -> int:
    if as_json:
        click.echo(json_text(summary.as_json()))
    else:
        console = Console(highlight=False)
        console.print(report.table(summary))
        for line in report.remarks(summary):
            console.print(line, soft_wrap=True)
    return 1 if summary.errors or summary.differing else 0


def _show_knee(knee: ramp.Knee, as_json: bool) -> int:
    """Show a ramp; that it ends at a rate with errors is what it is for."""
    if as_json:
        click.echo(json_text(knee.as_json()))
    else:
        console = Console(highlight=False)
        console.print(ramp.table(knee))
        for line in ramp.remarks(knee):
            console.print(line, soft_wrap=True)
    return 0 if knee.rate_per_second else 1
