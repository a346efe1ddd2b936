"""`soloist replay`: repeat an answer that differed; needs the base install only."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from soloist.cli.parameter_types import SEED
from soloist.cli.programs import load

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.argument("bundle", type=_FILE)
@click.option(
    "--repository",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of models; the bundle names the model and version.",
)
@click.option("--model", type=_FILE, help="An .onnx file, of any name and version.")
@click.option("--seed", type=SEED, default=0, show_default=True, help="Seed of the random neighbours.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def replay(bundle: Path, repository: Path | None, model: Path | None, seed: int, as_json: bool) -> None:
    """Repeat the answer in BUNDLE, a repro bundle of the live check: alone, and in runs of the same shape.

    The file has the lengths of the rows that shared the runs, not their content: neighbours are random, of several
    scales. Exit codes: 0 the difference appears again, 1 it does not, 2 the bundle or the model can't be read or run.
    """
    if (repository is None) == (model is None):
        raise click.UsageError("give either --repository or --model")
    file_or_folder = {"repository": repository, "model": model}
    run = load("service.observers.live_check.replay_command", "run")
    sys.exit(run(bundle, **file_or_folder, seed=seed, as_json=as_json))
