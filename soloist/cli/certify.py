"""`soloist certify`: find out whether a model's answers keep their bits on this machine."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from soloist.cli.parameter_types import SEED, NumberRange
from soloist.cli.programs import load

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.argument("model", type=_FILE)
@click.option("--minutes", type=NumberRange(0, min_open=True), default=0.5, show_default=True, help="How long to try.")
@click.option(
    "--config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="config.pbtxt; default: in its folder or one above.",
)
@click.option("--seed", type=SEED, default=0, show_default=True, help="Seed of the random schedules.")
@click.option("--json", "as_json", is_flag=True, help="Print the certificate as JSON.")
@click.option("--write", is_flag=True, help="Write it next to MODEL as certificate.json, where the server reads it.")
def certify(model: Path, minutes: float, config: Path | None, seed: int, as_json: bool, write: bool) -> None:
    """Try to make MODEL (an .onnx file) answer differently in a batch, padded, or cut into chunks.

    The reference is the same sequence alone and whole. A file without a manifest is described by the config.pbtxt in
    its folder or one above. Exit codes: 0 bitwise in every dimension, 1 not, 2 the file can't be read or run.
    """
    run = load("export.certify", "run", extras="export")
    sys.exit(run(model, minutes=minutes, config=config, seed=seed, as_json=as_json, write=write))
