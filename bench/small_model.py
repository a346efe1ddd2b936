"""A small model for measurements: trained for one epoch, since the time of a run doesn't depend on what was learnt."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MODEL = "vowels-lstm-layer"
_COMMAND = (sys.executable, "-m", "soloist.cli.main")


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
