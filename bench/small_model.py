"""What a measurement serves: a repository that is named, or a small model of its own.

The model is trained for one epoch, since the time of a run doesn't depend on what was learnt.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

import click

MODEL = "vowels-lstm-layer"
_COMMAND = (sys.executable, "-m", "soloist.cli.main")

repository_option = click.option(
    "--repository",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Models to serve. Default: one small model, trained for an epoch.",
)


def models_of(repository: Path | None, name: str = MODEL) -> AbstractContextManager[Path]:
    """Yield a repository; without one, another with a model of the zoo, as long as the context lasts."""
    return small_model(name) if repository is None else nullcontext(repository)


@contextmanager
def small_model(name: str = MODEL) -> Iterator[Path]:
    """Train a model of the zoo, and yield the repository that holds it."""
    with tempfile.TemporaryDirectory() as folder:
        task, architecture, norm = name.split("-")
        checkpoint, repository = Path(folder) / "checkpoint.pt", Path(folder) / "models"
        train = ["train", "--task", task, "--architecture", architecture, "--norm", norm, "--epochs", "1"]
        for arguments in (
            [*train, "--out", str(checkpoint)],
            ["export", str(checkpoint), "--repository", str(repository), "--name", name],
        ):
            subprocess.run([*_COMMAND, *arguments], check=True, stdout=subprocess.DEVNULL)  # noqa: S603  # our own
        yield repository
