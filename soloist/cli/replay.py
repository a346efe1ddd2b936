"""`soloist replay`: makes an answer that differed again; needs the base install only."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from soloist.cli.programs import load

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.argument("bundle", type=_FILE)
@click.option(
    "--repository",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of models; that of the bundle's name and version is taken.",
)
@click.option("--model", type=_FILE, help="An .onnx file, whatever its name and version.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the neighbours that are drawn.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def replay(bundle: Path, repository: Path | None, model: Path | None, seed: int, as_json: bool) -> None:
    """Run the answer in BUNDLE, a repro bundle of the live check, again: alone, and in runs of the same shape.

    Who shared the runs is not in the file, only how long they were: neighbours are drawn at random, of several scales.
    Exit codes: 0 the difference appears again, 1 it does not, 2 the bundle or the model can't be read or run.
    """
    if (repository is None) == (model is None):
        raise click.UsageError("give either --repository or --model")
    file_or_folder = {"repository": repository, "model": model}
    run = load("service.observers.live_check.replay_command", "run")
    sys.exit(run(bundle, **file_or_folder, seed=seed, as_json=as_json))
