"""The bar that shows how far a load is, on a terminal only."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

_REFRESHES_A_SECOND = 2  # each takes time from the generator


@contextmanager
def progress(console: Console, seconds: float) -> Iterator[Callable[[str], None]]:
    """Show a bar until the block ends; what is given begins it anew, with a text, for a load that takes so long."""
    if not console.is_terminal:
        yield lambda _text: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, refresh_per_second=_REFRESHES_A_SECOND) as bar:
        task, over = bar.add_task("", total=seconds), threading.Event()
        mover = threading.Thread(target=_move, args=(bar, task, over), daemon=True)
        mover.start()
        try:
            yield lambda text: bar.reset(task, description=text)
        finally:
            over.set()
            mover.join()


def _move(bar: Progress, task: TaskID, over: threading.Event) -> None:
    while not over.wait(1 / _REFRESHES_A_SECOND):
        bar.update(task, completed=bar.tasks[task].elapsed or 0.0)
