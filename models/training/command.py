"""One training run as a command: a default model by name, a progress bar, a checkpoint file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from models.data import DataError, load
from models.training import loop
from models.training.checkpoint import Checkpoint
from models.zoo import BODIES, DEFAULTS, norms, with_norm


def run(*, task: str, architecture: str, norm: str, seed: int, out: Path, epochs: int | None) -> Checkpoint:
    """Train the default model of a task and architecture with a normaliser, and write its checkpoint to `out`.

    Raises:
        click.UsageError: There is no such architecture, or it does not have this normaliser.
        click.ClickException: The data set can't be had, or the checkpoint can't be written.

    """
    if architecture not in BODIES:
        raise click.UsageError(f"unknown architecture {architecture!r}: one of {', '.join(BODIES)}")
    if norm not in norms(architecture):
        raise click.UsageError(f"{architecture} has no normaliser {norm!r}: one of {', '.join(norms(architecture))}")
    try:
        return _run(task, architecture, norm, seed, out, epochs)
    except (DataError, OSError) as error:
        raise click.ClickException(str(error)) from error


def _run(task: str, architecture: str, norm: str, seed: int, out: Path, epochs: int | None) -> Checkpoint:
    dataset = load(task)
    config = with_norm(DEFAULTS[task, architecture], norm)
    console = Console(stderr=True)
    with bar(console, f"{task}-{architecture}-{norm}") as progress:
        checkpoint = loop.train(dataset, architecture, config, seed, epochs, progress)
    checkpoint.save(out)
    console.print(
        f"{out}: epoch {checkpoint.best_epoch} of {checkpoint.epochs}, "
        f"validation accuracy {checkpoint.validation_accuracy:.4f}, digest {checkpoint.digest}",
        soft_wrap=True,
        highlight=False,
    )
    return checkpoint


@contextmanager
def bar(console: Console, title: str) -> Iterator[loop.Progress | None]:
    """Return a progress function that moves a bar; none unless `console` is a terminal."""
    if not console.is_terminal:
        yield None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as display:
        task = display.add_task(title, total=None)

        def progress(epoch: loop.Epoch) -> None:
            text = f"{title} loss {epoch.loss:.3f} validation {epoch.validation.accuracy:.3f}"
            display.update(task, completed=epoch.epoch, total=epoch.epochs, description=text)

        yield progress
