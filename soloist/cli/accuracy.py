"""`soloist accuracy`: the recent accuracy of a model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from soloist.cli.parameter_types import UTF8
from soloist.cli.session import monitoring, server_options
from soloist.integers import LARGEST_INT64
from soloist.json_text import json_text
from soloist.text_table import text_table

if TYPE_CHECKING:
    from soloist.client import EstimateTrust, SliceAccuracy, VersionAccuracy

_HEAD = (
    *("VERSION", "NORM", "WINDOW", "SLICE", "ANSWERS", "LABELLED"),
    *("ACCURACY", "95 %", "ESTIMATE", "TRUSTED", "CALIBRATION ERROR"),
)


@click.command()
@click.argument("model", type=UTF8)
@click.option("--version", type=click.IntRange(1, LARGEST_INT64), help="One version; default: each that has answered.")
@click.option("--window", help='One window, as "5m"; default: all.')
@click.option("--slices", is_flag=True, help="Also by length, position and batch size.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per version.")
@server_options
def accuracy(
    model: str,
    version: int | None,
    window: str | None,
    slices: bool,
    as_json: bool,
    server: str,
    timeout_seconds: float,
) -> None:
    """Show the accuracy of MODEL by the labels reported so far, its own estimate, and whether that can be trusted.

    The estimate is the mean calibrated confidence of all answers. It isn't to be trusted if the inputs are unlike those
    of training, by the latest traffic; a number above 1 is more than held-out data show. If the inputs are as before
    and their meaning has changed, only labels tell.
    """
    with monitoring(server, timeout_seconds) as monitor:
        found = monitor.accuracy(model, version)
    if as_json:
        for each in found:
            click.echo(json_text(_object(each, window)))
        return
    rows = []
    for each in found:
        for view in each.windows:
            if window in (None, view.window):
                chosen = view.slices if slices else view.slices[:1]
                rows += [(str(each.version), each.norm, view.window, *_cells(one, each.trust)) for one in chosen]
    click.echo(text_table(_HEAD, rows))


def _cells(found: SliceAccuracy, trust: EstimateTrust) -> tuple[str, ...]:
    low, high = found.accuracy_low, found.accuracy_high
    return (
        found.slice if found.slice == "all" else f"{found.slice} {found.bucket}",
        str(found.answers),
        f"{found.label_coverage:.1%}",
        _share(found.accuracy),
        f"{low:.1%} to {high:.1%}" if low is not None and high is not None else "",
        _share(found.estimated_accuracy),
        _word(trust),
        _share(found.calibration_error),
    )


def _word(trust: EstimateTrust) -> str:
    word = {True: "yes", False: "no", None: "unknown"}[trust.is_trusted]
    return f"{word}: {trust.reason}" if trust.reason else word


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"


def _object(found: VersionAccuracy, window: str | None) -> dict[str, object]:
    from dataclasses import asdict

    views = [view for view in found.windows if window in (None, view.window)]
    return {
        "model": found.model,
        "version": found.version,
        "norm": found.norm,
        "trust": asdict(found.trust) | {"reason": found.trust.reason},
        "windows": [
            {
                "window": view.window,
                "seconds": view.seconds,
                "slices": [asdict(one) for one in view.slices],
                "confusion": [
                    {"truth": truth, "predicted": predicted, "labels": labels}
                    for (truth, predicted), labels in view.confusion.items()
                ],
            }
            for view in views
        ],
    }
