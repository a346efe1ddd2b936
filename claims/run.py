"""`soloist claims` from its arguments to its files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from claims.catalogue import CLAIMS
from claims.jobs import Progress as Tell
from claims.jobs import measure_all, work_seconds
from claims.judged import judged
from claims.report.page import page, verdicts
from claims.report.record import Record, read, record
from claims.table import table
from claims.texts import Language
from soloist.files import write_atomically
from soloist.json_text import json_text

_NARROWEST = 160  # columns of a table that goes to a file
_QUICK = "A quick run: one seed, less data, no intervals. It shows that the experiments work, not what is true."


def run(
    *,
    out: Path,
    only: Sequence[int],
    seeds: int,
    quick: bool,
    language: Language,
    processes: int,
    figures: Path | None = None,
) -> None:
    """Measure and judge claims, print the table, and write claims.json, report.html and verdicts.md.

    In Chinese these are report.zh.html and verdicts.zh.md. With `figures`, the claims.json of a run, nothing is
    measured: its figures are judged once more.

    Raises ValueError for a number that no claim has, or that `figures` doesn't have.
    """
    if unknown := [number for number in only if number not in CLAIMS]:
        raise ValueError(f"no claim {', '.join(map(str, unknown))}; there are {', '.join(map(str, CLAIMS))}")
    found = read(figures, only) if figures else _measured(out, only, 1 if quick else seeds, processes, quick=quick)
    console = _output()
    console.print(table(found.claims, language))
    if found.quick:
        console.print(_QUICK)
    out.mkdir(parents=True, exist_ok=True)
    of_language = "" if language == "en" else f".{language}"
    report, verdict_table = out / f"report{of_language}.html", out / f"verdicts{of_language}.md"
    write_atomically(out / "claims.json", json_text(found.as_json()).encode())
    write_atomically(report, page(found, language).encode())
    write_atomically(verdict_table, verdicts(found, language).encode())
    console.print(f"{report}, {verdict_table} and {out / 'claims.json'}")


def _measured(out: Path, only: Sequence[int], seeds: int, processes: int, *, quick: bool) -> Record:
    numbers, chosen = sorted(set(only)) or list(CLAIMS), range(seeds)
    with _bar(work_seconds(numbers, chosen, out, quick=quick)) as tell:
        measured = measure_all(numbers, chosen, out, quick=quick, processes=processes, progress=tell)
    return record([judged(CLAIMS[number], chosen, measured[number]) for number in numbers], chosen, quick=quick)


def _output() -> Console:
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = max(console.width, _NARROWEST)
    return console


@contextmanager
def _bar(seconds: float) -> Iterator[Tell]:
    columns = (BarColumn(30), TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(elapsed_when_finished=False))
    with Progress(*columns, TextColumn("{task.fields[text]}"), console=Console(stderr=True)) as display:
        task = display.add_task("", total=seconds, text="")

        def tell(text: str, done: float) -> None:
            display.update(task, advance=done, text=text)

        yield tell
