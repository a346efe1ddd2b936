"""`soloist simulate` from its options to its exit code."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.live import Live

from models.data import DataError, load
from simulation.open_loop import OpenLoop
from simulation.run import simulate, stop_on_signals
from simulation.scenario import Scenario, ScenarioError, scenario
from simulation.table import table
from simulation.tally import Tally
from soloist import TLS, SoloistError, Token
from soloist.json_text import json_text

_NARROWEST = 120  # columns of a table that goes to a file
_REFRESHES_PER_SECOND = 2


def main(
    fields: Mapping[str, Any],
    shifts: Sequence[str],
    file: Path | None,
    *,
    server: str,
    as_json: bool,
    tls: TLS | None = None,
    token: Token | None = None,
) -> int:
    """Play a scenario, print what came of it and return the exit code: 1 when nothing was answered, 2 wrong usage."""
    try:
        chosen = scenario(fields, shifts, file)
        tally = asyncio.run(_shown(chosen, server, tls, token))
    except (ScenarioError, DataError) as error:
        click.echo(f"soloist: {error}", err=True)
        return 2
    except SoloistError as error:
        click.echo(f"soloist: {error} ({server})", err=True)
        return 1
    if as_json:
        click.echo(json_text({"phases": [phase.as_json() for phase in tally.phases if phase.sent]}))
    else:
        console = Console(highlight=False)
        console.width = console.width if console.is_terminal else max(console.width, _NARROWEST)
        console.print(table(tally))
    return 0 if tally.answers else 1


async def _shown(chosen: Scenario, server: str, tls: TLS | None, token: Token | None) -> Tally:
    dataset = load(chosen.task)
    console = Console(stderr=True)
    showing: list[asyncio.Task[None]] = []
    with Live(console=console, auto_refresh=False, transient=True) as live:

        def started(loop: OpenLoop, tally: Tally) -> None:
            stop_on_signals(loop)
            if console.is_terminal:
                showing.append(asyncio.create_task(_show(live, tally)))

        try:
            return await simulate(chosen, dataset, server, tls=tls, token=token, started=started)
        finally:
            for task in showing:
                task.cancel()
            await asyncio.gather(*showing, return_exceptions=True)


async def _show(live: Live, tally: Tally) -> None:
    while True:
        live.update(table(tally), refresh=True)
        await asyncio.sleep(1 / _REFRESHES_PER_SECOND)
