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
from claims.judged import JudgedClaim, judged
from claims.report.page import page, verdicts
from claims.report.record import record
from claims.table import table
from claims.texts import Language
from soloist.files import write_atomically
from soloist.json_text import json_text

_NARROWEST = 160  # columns of a table that goes to a file
_QUICK = "A quick run: one seed, less data, no intervals. It shows that the experiments work, not what is true."


def run(
    *, out: Path, only: Sequence[int], seeds: int, quick: bool, language: Language, processes: int
) -> list[JudgedClaim]:
    """Measure and judge claims, print the table, and write claims.json, report.html and verdicts.md.

    In Chinese these are report.zh.html and verdicts.zh.md.

    Raises ValueError for a number that no claim has.
    """
    numbers = sorted(set(only)) or list(CLAIMS)
    if unknown := [number for number in numbers if number not in CLAIMS]:
        raise ValueError(f"no claim {', '.join(map(str, unknown))}; there are {', '.join(map(str, CLAIMS))}")
    chosen = range(1 if quick else seeds)
    with _bar(work_seconds(numbers, chosen, out, quick=quick)) as tell:
        measured = measure_all(numbers, chosen, out, quick=quick, processes=processes, progress=tell)
    outcome = [judged(CLAIMS[number], chosen, measured[number]) for number in numbers]
    found = record(outcome, chosen, quick=quick)
    console = _output()
    console.print(table(outcome, language))
    if quick:
        console.print(
            "A quick run: one seed, less data, no intervals. It shows that the experiments work, not what is true."
        )
    of_language = "" if language == "en" else f".{language}"
    report, verdict_table = out / f"report{of_language}.html", out / f"verdicts{of_language}.md"
    write_atomically(out / "claims.json", json_text(found.as_json()).encode())
    write_atomically(report, page(found, language).encode())
    write_atomically(verdict_table, verdicts(found, language).encode())
    console.print(f"{report}, {verdict_table} and {out / 'claims.json'}")
    return outcome


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
