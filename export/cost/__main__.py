"""`python -m export.cost`: what the promise costs, as ratios measured in one run."""

from __future__ import annotations

from dataclasses import asdict

import click
import torch
from rich.console import Console
from rich.progress import Progress

from export.cost.forms import ARCHITECTURES, NORMS
from export.cost.report import tables
from export.cost.run import Plan, run
from models.data import TASKS, load
from soloist.cli.parameter_types import SEED
from soloist.json_text import json_text


@click.command()
@click.option(
    "--task", type=click.Choice(list(TASKS)), default="digits", show_default=True, help="Sizes of which task."
)
@click.option("--model", "models", type=click.Choice(ARCHITECTURES), multiple=True, help="Default: all.")
@click.option("--norm", "norms", type=click.Choice(NORMS), multiple=True, help="Default: all.")
@click.option("--rounds", type=click.IntRange(min=1), default=Plan.rounds, show_default=True, help="Turns of each run.")
@click.option("--seed", type=SEED, default=Plan.seed, show_default=True, help="Of frames, lengths and turns.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def main(task: str, models: tuple[str, ...], norms: tuple[str, ...], rounds: int, seed: int, as_json: bool) -> None:
    """Compare strict forms with naive exports of the same weights, and batches with the promise with those without."""
    torch.set_num_threads(1)
    plan = Plan(architectures=models or ARCHITECTURES, norms=norms or NORMS, rounds=rounds, seed=seed)
    with Progress(console=Console(stderr=True), transient=True) as progress:
        result = run(plan, load(task).spec, progress)
    if as_json:
        click.echo(json_text(asdict(result)))
        return
    console = Console(highlight=False)
    for table in tables(result):
        console.print(table)


if __name__ == "__main__":
    main(prog_name="python -m export.cost")
