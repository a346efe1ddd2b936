"""`python -m demo.monitoring`: what `make demo-monitoring` runs."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from demo.monitoring.plan import OFFLINE_SHIFTS, Plan
from demo.monitoring.run import main

_SEEDS = 5


@click.command()
@click.option("--out", type=click.Path(path_type=Path), default=Path("out/demo-monitoring"), show_default=True)
@click.option("--seeds", type=click.IntRange(1, 1000), default=_SEEDS, show_default=True, help="How many, from 0 on.")
@click.option("--epochs", type=click.IntRange(min=1), default=Plan.epochs, show_default=True, help="Most epochs.")
@click.option("--phase-seconds", type=click.FloatRange(min=1), default=Plan.phase_seconds, show_default=True)
@click.option(
    "--rate",
    "rate_per_second",
    type=click.FloatRange(min=1),
    default=Plan.rate_per_second,
    show_default=True,
    help="Sequences a second of each model.",
)
@click.option(
    "--live-shift",
    "live_shifts",
    type=click.Choice(list(OFFLINE_SHIFTS)),
    multiple=True,
    default=Plan.live_shifts,
    show_default=True,
    help="Shift of the live part; again for more.",
)
@click.option(
    "--offline-shift",
    "offline_shifts",
    type=click.Choice(list(OFFLINE_SHIFTS)),
    multiple=True,
    help="Shift of the held-out set; again for more; default: all.",
)
def monitoring(
    out: Path,
    seeds: int,
    epochs: int,
    phase_seconds: float,
    rate_per_second: float,
    live_shifts: tuple[str, ...],
    offline_shifts: tuple[str, ...],
) -> None:
    """Shift the traffic of BatchNorm models and their LayerNorm siblings, see it, recalibrate, and see what it gains.

    Exit codes: 0 everything was measured, whatever the figures; 1 something was not, or failed.
    """
    plan = Plan(
        seeds=tuple(range(seeds)),
        epochs=epochs,
        phase_seconds=phase_seconds,
        rate_per_second=rate_per_second,
        live_shifts=live_shifts,
        offline_shifts=offline_shifts or tuple(OFFLINE_SHIFTS),
    )
    sys.exit(main(out, plan))


if __name__ == "__main__":
    monitoring(prog_name="python -m demo.monitoring")
