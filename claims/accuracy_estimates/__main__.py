"""`python -m claims.accuracy_estimates`: estimators of accuracy before labels, compared on the same shifts, over seeds.

LSTMs and TCNs of spoken digits with LayerNorm and BatchNorm, held-out sequences under shifts, answers of ONNX Runtime.
"""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path

import click
from rich.console import Console

from claims.accuracy_estimates.comparison import best, by_shift, summary
from claims.accuracy_estimates.measurement import measure
from demo.display import output, training
from demo.environment import this_environment
from demo.pool import Step, run_all
from soloist.files import write_atomically
from soloist.json_text import json_text


@click.command(help=__doc__)
@click.option("--seeds", type=click.IntRange(min=1), default=5, show_default=True)
@click.option("--quick", is_flag=True, help="One seed, fewer models, shorter training.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("out/claims"), show_default=True)
@click.option("--processes", type=click.IntRange(min=1), default=os.cpu_count() or 1, show_default="cores")
def main(seeds: int, quick: bool, out: Path, processes: int) -> None:
    """Measure, and print errors by estimator and by shift; all figures go to accuracy_estimates.json."""
    jobs = {f"seed {seed}": (seed, out / "checkpoints", quick) for seed in range(1 if quick else seeds)}
    with training(Console(stderr=True), list(jobs)) as show:
        found = run_all(measure, jobs, processes=processes, show=show)
        for name in jobs:
            show(Step(name=name, done=1, total=1, text="measured", finished=True))
    outcomes = [outcome for of_seed in found.values() for outcome in of_seed]
    console = output()
    console.print(summary(outcomes))
    for norm in ("layer", "batch"):
        console.print(by_shift(outcomes, norm))
    console.print(f"least mean absolute error under shifts: {best(outcomes)}")
    record = {
        "quick": quick,
        "environment": asdict(this_environment()),
        "best": best(outcomes),
        "outcomes": [asdict(outcome) for outcome in outcomes],
    }
    write_atomically(out / "accuracy_estimates.json", json_text(record).encode())


if __name__ == "__main__":
    main(prog_name="python -m claims.accuracy_estimates")
