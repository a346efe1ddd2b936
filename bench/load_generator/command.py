"""What `soloist bench` does: one load, or a ramp to the knee."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from bench.load_generator.load import Api, Arrivals, Load, Mode, Transport
from bench.load_generator.processes import measure_load
from bench.load_generator.progress import progress
from bench.load_generator.ramp import Knee, find_knee
from bench.load_generator.report import Summary
from bench.load_generator.shown import Shown
from bench.load_generator.workload import Given, WorkloadError, read_sequences
from bench.server.process import ServerError, serving
from soloist import SoloistError
from soloist.client.channel import is_local


def main(
    fields: dict[str, Any],
    *,
    repository: Path | None,
    transport: str,
    frames_file: Path | None,
    ramp_p99_ms: float | None,
    allow_remote: bool,
    as_json: bool,
    html: Path | None,
) -> int:
    """Load a server as `fields` of Load say; returns the exit code. Raises click's errors.

    With a `repository` a server of it is started for the run, on `transport`, in place of the one in `fields`.
    """
    shown = Shown(as_json=as_json, html=html)
    if repository is None:
        return _load(fields, frames_file=frames_file, ramp_p99_ms=ramp_p99_ms, allow_remote=allow_remote, shown=shown)
    try:
        with serving(repository, {"transport": transport}) as server:
            fields = {**fields, "server": server.grpc}
            return _load(fields, frames_file=frames_file, ramp_p99_ms=ramp_p99_ms, allow_remote=True, shown=shown)
    except ServerError as error:
        raise click.ClickException(str(error)) from error


def _load(
    fields: dict[str, Any], *, frames_file: Path | None, ramp_p99_ms: float | None, allow_remote: bool, shown: Shown
) -> int:
    kinds = {"mode": Mode, "arrivals": Arrivals, "api": Api, "client": Transport}
    load = Load(**fields | {name: kind(fields[name]) for name, kind in kinds.items()})
    if not (allow_remote or is_local(load.server)):
        raise click.UsageError(f"{load.server} is another machine: --allow-remote loads it all the same")
    if load.callers is not None and (ramp_p99_ms is not None or load.callers < load.processes):
        raise click.UsageError("--callers goes with no ramp, and each process needs one")
    if load.client is Transport.HTTPUNK and not load.server.rpartition(":")[2].isdecimal():
        raise click.UsageError("--client httpunk takes HOST:PORT")
    if load.client is Transport.HTTPUNK and (load.tls or load.token):
        raise click.UsageError("--client httpunk takes neither TLS nor a token")
    if load.frame_counts is not None and frames_file is not None:
        raise click.UsageError("--lengths are those of made-up sequences: leave out --input")
    try:
        sequences = read_sequences(frames_file) if frames_file else None
        with progress(Console(stderr=True), load.seconds) as begin:
            if ramp_p99_ms is None:
                begin(f"{load.model}: {load.seconds:g} s")
                found: Summary | Knee = measure_load(load, sequences)
            else:
                found = _knee(load, sequences, p99_ms=ramp_p99_ms, begin=begin)
        return shown.show(found)
    except (SoloistError, WorkloadError, ValueError, OSError) as error:
        raise click.ClickException(str(error)) from error


def _knee(load: Load, sequences: Sequence[Given] | None, *, p99_ms: float, begin: Callable[[str], None]) -> Knee:
    def step(rate_per_second: float) -> Summary:
        begin(f"{load.model}: {rate_per_second:.1f} a second for {load.seconds:g} s")
        return measure_load(replace(load, rate_per_second=rate_per_second), sequences)

    return find_knee(step, first_per_second=load.rate_per_second, p99_ms=p99_ms)
