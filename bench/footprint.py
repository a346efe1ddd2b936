"""`python -m bench.footprint`: how soon a server is ready, what it takes at rest, and what sessions and requests take.

The server is started again and again, and medians are printed. Sessions are sequences of the Open Inference Protocol,
which live on between their requests: so a session is measured without a call around it (`python -m bench.stream_memory`
has streams, which are calls). Requests are whole sequences, no two of the same length one after the other.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

import click
import grpc
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from bench.held_memory import SETTLED_SECONDS, growth_bytes, resident_bytes, session_bytes
from bench.load_generator.workload import WorkloadError
from bench.server.process import ServerError, ServerProcess, serving
from bench.server.resident import by_file
from bench.small_model import MODEL, models_of, repository_option
from soloist import SoloistError
from soloist.client.errors import from_rpc_error
from soloist.json_text import json_text

_SHOWN_FILES = 8
_IDLE_SECONDS = 3.0


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How often a server is started, how many sessions are opened, and how many requests are sent."""

    model: str
    starts: int
    sessions: int
    requests: int
    transport: str
    load_trial: bool = True


@dataclass(frozen=True, kw_only=True)
class Footprint:
    """Medians over the starts. `session_bytes` is what is resident for a session, less the state that is counted.

    `idle_ratio` is the share of a processor that servers take which nobody asks, over all starts.
    `files` are the resident bytes of the last start by file, largest first.
    """

    ready_seconds: float
    resident_bytes: float
    idle_ratio: float
    session_bytes: float
    state_bytes: float
    growth_bytes: float
    files: dict[str, int]


def measure(repository: Path, plan: Plan, progress: Callable[[], object] = int) -> Footprint:
    """Start servers one after the other. Raises ServerError, WorkloadError, SoloistError and grpc.RpcError."""
    settings: dict[str, object] = dict.fromkeys(("max_sessions", "max_sessions_per_client"), plan.sessions + 1)
    settings |= {"transport": plan.transport, "workers": 1, "load_trial": plan.load_trial}
    ready, resident, idle = [], [], []
    files: dict[str, int] = {}
    with _cached_bytecode():
        with serving(repository, settings):
            progress()  # what is read from disk and compiled once is no part of a start
        for _ in range(plan.starts):
            with serving(repository, settings) as server:
                time.sleep(SETTLED_SECONDS)
                ready.append(server.ready_seconds)
                resident.append(resident_bytes(server))
                idle.append(_idle_ratio(server))
                files = by_file(server.process.pid)
            progress()
        with serving(repository, settings) as server:
            session, state = asyncio.run(session_bytes(server, plan.model, plan.sessions))
            progress()
        with serving(repository, settings) as server:
            growth = asyncio.run(growth_bytes(server, plan.model, plan.requests))
            progress()
    return Footprint(
        ready_seconds=statistics.median(ready),
        resident_bytes=statistics.median(resident),
        idle_ratio=statistics.mean(idle),
        session_bytes=session,
        state_bytes=state,
        growth_bytes=growth,
        files=files,
    )


def _idle_ratio(server: ServerProcess) -> float:
    before, began = server.cpu_seconds(), time.perf_counter()
    time.sleep(_IDLE_SECONDS)
    return (server.cpu_seconds() - before) / (time.perf_counter() - began)


@contextmanager
def _cached_bytecode() -> Iterator[None]:
    """Let servers keep compiled modules, as installed ones do, whatever the environment says."""
    name = "PYTHONDONTWRITEBYTECODE"
    before = os.environ.pop(name, None)
    try:
        yield
    finally:
        if before is not None:
            os.environ[name] = before


def table(found: Footprint, plan: Plan) -> Table:
    """Lay the figures out."""
    shown = Table("", "", title=f"{plan.model}, {plan.transport}: what a server takes", title_justify="left")
    shown.columns[1].justify = "right"
    shown.add_row(f"ready, s (median of {plan.starts})", f"{found.ready_seconds:.2f}")
    shown.add_row(f"resident, MB (median of {plan.starts})", f"{found.resident_bytes / 1e6:.1f}")
    shown.add_row("a processor while nobody asks, %", f"{100 * found.idle_ratio:.1f}")
    shown.add_row(f"a session of {plan.sessions} beside its state, bytes", f"{found.session_bytes:.0f}")
    shown.add_row("its state, bytes", f"{found.state_bytes:.0f}")
    shown.add_row(f"growth in {plan.requests} requests of random length, MB", f"{found.growth_bytes / 1e6:.1f}")
    return shown


def file_table(files: Mapping[str, int]) -> Table:
    """Lay out the largest files."""
    shown = Table("resident, by file", "MB", title_justify="left")
    shown.columns[1].justify = "right"
    for name, resident in islice(files.items(), _SHOWN_FILES):
        shown.add_row(name, f"{resident / 1e6:.1f}")
    shown.add_row("others", f"{sum(islice(files.values(), _SHOWN_FILES, None)) / 1e6:.1f}")
    return shown


@click.command()
@repository_option
@click.option("--model", default=MODEL, show_default=True, help="Model to ask.")
@click.option("--starts", type=click.IntRange(min=1), default=7, show_default=True, help="After one to warm up.")
@click.option("--sessions", type=click.IntRange(min=1), default=10_000, show_default=True)
@click.option("--requests", type=click.IntRange(min=1), default=100_000, show_default=True, help="Of random lengths.")
@click.option("--transport", type=click.Choice(["grpc", "httpunk"]), default="grpc", show_default=True)
@click.option(
    "--load-trial/--no-load-trial", default=True, show_default=True, help="Load files on trial first, as by default."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def main(repository: Path | None, as_json: bool, **options: object) -> None:
    """Print how soon a server is ready, what it takes at rest, and its memory for sessions and after many requests.

    Exit codes: 0 measured, 1 failed, 2 wrong usage.
    """
    plan = Plan(**options)  # type: ignore[arg-type]
    if repository is None and plan.model != MODEL:
        raise click.UsageError("--model needs --repository")
    try:
        with (
            models_of(repository) as models,
            Progress(console=Console(stderr=True), transient=True) as progress,
        ):
            task = progress.add_task("servers", total=plan.starts + 3)
            found = measure(models, plan, lambda: progress.advance(task))
    except grpc.RpcError as error:
        raise click.ClickException(str(from_rpc_error(error))) from error
    except (ServerError, SoloistError, WorkloadError) as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        click.echo(json_text(asdict(found)))
    else:
        Console().print(table(found, plan))
        Console().print(file_table(found.files))


if __name__ == "__main__":
    main(prog_name="python -m bench.footprint")
