"""`soloist simulate`: send held-out data to a server at a rate, with scheduled shifts and delayed labels."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from soloist.cli.parameter_types import SEED, UTF8, NumberRange
from soloist.cli.programs import load
from soloist.cli.session import credential_options, credentials, server_option
from soloist.cli.train import TASKS
from soloist.integers import LARGEST_INT32, whole_number

_POSITIVE = NumberRange(0, min_open=True)
_RATIO = NumberRange(0, 1)
_LABEL_FIELDS = {
    "label_delay": "delay",
    "label_mean_seconds": "mean_seconds",
    "label_missing_ratio": "missing_ratio",
    "label_repeated_ratio": "repeated_ratio",
    "label_contradictory_ratio": "contradictory_ratio",
}


def _part(_ctx: click.Context, _parameter: click.Parameter, value: str | None) -> dict[str, int] | None:
    if value is None:
        return None
    number, of = (whole_number(part, LARGEST_INT32) for part in value.partition("/")[::2])
    if not (number and of and number <= of):
        raise click.BadParameter("a part is given like 1/2")
    return {"number": number, "of": of}


@click.command()
@server_option()
@click.option("--scenario", "file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="A TOML file.")
@click.option("--model", type=UTF8, help="Model to call.")
@click.option("--task", type=click.Choice(TASKS), help="Data set whose held-out part is sent.")
@click.option("--version", type=UTF8, help="Version or label; default: the server's choice.")
@click.option("--rate", "rate_per_second", type=_POSITIVE, help="Sequences per second, Poisson arrivals; default: 20.")
@click.option(
    "--seconds",
    type=NumberRange(0, min_open=True, infinite=True),
    help="How long sequences arrive; default: until it is stopped.",
)
@click.option("--seed", type=SEED, help="The same seed sends the same data; default: 0.")
@click.option("--part", callback=_part, metavar="N/M", help="Send the N-th of M parts of the data only.")
@click.option("--stream-ratio", type=_RATIO, help="Share sent as streams, in chunks; default: 0.")
@click.option("--chunk-frames", type=click.IntRange(1, LARGEST_INT32), help="Frames per chunk; default: cut at random.")
@click.option("--shift", "shifts", multiple=True, metavar="KIND:NAME=VALUE,…", help="A shift; again for more.")
@click.option("--label-delay", type=click.Choice(["constant", "exponential", "lognormal"]), help="Default: lognormal.")
@click.option("--label-mean-seconds", type=NumberRange(0), help="Mean delay of labels; default: 5.")
@click.option("--label-missing-ratio", type=_RATIO, help="Share of the labels that never come; default: 0.")
@click.option("--label-repeated-ratio", type=_RATIO, help="Share of labels that come twice; default: 0.")
@click.option("--label-contradictory-ratio", type=_RATIO, help="Share followed by a wrong label; default: 0.")
@click.option("--no-labels", is_flag=True, help="Report no labels.")
@click.option("--timeout-seconds", type=_POSITIVE, help="Longest time for an answer; default: 10.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@credential_options
def simulate(
    server: str, file: Path | None, shifts: tuple[str, ...], no_labels: bool, as_json: bool, **options: Any
) -> None:
    """Send held-out data to a model at a rate, shift them on schedule, and report their labels later.

    Options win over the scenario file, and shifts add to it. Shifts and their fields: docs/simulate.md. The first
    interrupt ends the sending, and labels that are due are still reported.

    Exit codes: 0 done, 1 nothing was answered, 2 wrong usage.
    """
    labels = {field: options.pop(option) for option, field in _LABEL_FIELDS.items()}
    labels = {field: value for field, value in labels.items() if value is not None}
    if no_labels:
        labels["missing_ratio"] = 1.0
    fields = {**options, "labels": labels}
    run = load("simulation.command", "main", extras="simulate")
    sys.exit(run(fields, shifts, file, server=server, as_json=as_json, **credentials(server)))
