"""One export as a command: a checkpoint file becomes the next version of a model in a repository."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console

from export import steps
from export.checkpoint import STEPS, export_checkpoint
from export.errors import ExportError
from export.repository import next_version
from models.data import DataError, load
from models.training import Checkpoint, CheckpointError
from soloist.v1.model_pb2 import Model


def run(checkpoint_path: Path, repository: Path, name: str | None, *, norm: str = "") -> Model:
    """Export a checkpoint under `name`, by default "<task>-<architecture>-<norm>", as its next free version.

    `norm` is another normaliser than it was trained with, to be served with the same weights.

    Raises:
        click.ClickException: The file is no checkpoint, its data set can't be had, or a check fails.

    """
    try:
        return _run(checkpoint_path, repository, name, norm)
    except (CheckpointError, DataError, ExportError, OSError) as error:
        raise click.ClickException(str(error)) from error


def _run(checkpoint_path: Path, repository: Path, name: str | None, norm: str) -> Model:
    checkpoint = Checkpoint.load(checkpoint_path)
    name = name or f"{checkpoint.task.name}-{checkpoint.architecture}-{norm or checkpoint.config.norm}"
    version = next_version(repository, name)
    dataset = load(checkpoint.task.name)
    console = Console(stderr=True)
    with steps.shown(name, STEPS, console) as progress:
        model = export_checkpoint(
            checkpoint, repository, name=name, version=version, dataset=dataset, norm=norm, progress=progress
        )
    console.print(_summary(model, repository), soft_wrap=True, highlight=False)
    return model


def _summary(model: Model, repository: Path) -> str:
    accuracy = model.accuracy
    return (
        f"{repository / model.name / str(model.version)}: "
        f"held-out accuracy {accuracy.ratio:.4f} ({accuracy.correct} of {accuracy.sequences}), "
        f"differs from PyTorch by {model.parity.max_abs_difference:.2g} at most in {model.parity.cases} cases"
    )
