"""What is seen while the demonstration runs: bars on a terminal, a line a stage elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, track

from demo.pool import Show, Step

T = TypeVar("T")
_NARROWEST = 150  # columns of a table that goes to a file


def output() -> Console:
    """Return the console of results: standard output, wide enough for the table when that is no terminal."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = max(console.width, _NARROWEST)
    return console


def counted(console: Console, text: str, items: Sequence[T]) -> Iterable[T]:
    """Return the items behind a bar."""
    return track(items, f"{text:<18}", console=console)


@contextmanager
def training(console: Console, names: Sequence[str]) -> Iterator[Show]:
    """Show a bar a model; the block is given what moves them."""
    columns = (TextColumn("{task.fields[name]:<18}"), BarColumn(20), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, TextColumn("{task.fields[text]}"), console=console) as display:
        bars = {name: display.add_task("", total=None, start=False, name=name, text="waiting") for name in names}

        def show(step: Step) -> None:
            bar = bars[step.name]
            if not display.tasks[bar].started:
                display.start_task(bar)
            display.update(bar, completed=step.done, total=step.total, text=step.text)
            if step.finished:
                display.stop_task(bar)

        yield show
