"""The steps of a command: how it tells that one begins, and how they are shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

# Called with the name of a step when it begins.
OnStep = Callable[[str], None]


@contextmanager
def shown(name: str, steps: Sequence[str], console: Console) -> Iterator[OnStep]:
    """Show on a terminal which of its steps a command has come to."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as display:
        task = display.add_task(name, total=len(steps))

        def on_step(step: str) -> None:
            display.update(task, completed=steps.index(step), description=f"{name}: {step}")

        yield on_step
