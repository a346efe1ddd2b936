"""`soloist feedback`: report labels from a file."""

from __future__ import annotations

import itertools
import sys
from collections import Counter
from typing import TYPE_CHECKING, TextIO

import click

from soloist.cli.session import connected, server_options

if TYPE_CHECKING:
    from soloist.client import LabelOutcome


@click.command()
@click.argument("source", metavar="[FILE]", type=click.File("r", encoding="utf-8-sig"), default="-")
@click.option(
    "--batch-labels",
    type=click.IntRange(1, 1000),
    default=1000,
    show_default=True,
    help="Labels per call; each call waits for the disk once.",
)
@server_options
def feedback(source: TextIO, batch_labels: int, server: str, timeout_seconds: float) -> None:
    """Report labels from FILE, or from standard input, and count their outcomes.

    CSV with a header, or JSON Lines, of prediction_id; label (the class's name) or class_index; step, if not the last
    frame; event_time (ISO 8601 or seconds since 1970), if not now. Reporting a file again changes nothing.

    Exit code 1 if the server does not hold all of them: some were unknown, expired, contradictory, or their class or
    step does not exist.
    """
    from soloist.cli.label_file import read_labels

    counts: Counter[LabelOutcome] = Counter()
    labels = read_labels(source)
    try:
        with connected(server, timeout_seconds) as client:
            while batch := list(itertools.islice(labels, batch_labels)):
                counts.update(client.report_many(batch))
                _show_progress(counts.total())
    finally:
        _show(counts)
    raise SystemExit(0 if all(outcome.is_kept for outcome in counts) else 1)


def _show_progress(labels: int) -> None:
    if sys.stderr.isatty():
        click.echo(f"\r{labels} labels", nl=False, err=True)


def _show(counts: Counter[LabelOutcome]) -> None:
    if sys.stderr.isatty():
        click.echo("\r", nl=False, err=True)
    for outcome, labels in counts.most_common():
        click.echo(f"{labels}  {outcome}")
    click.echo(f"{counts.total()}  labels in all")
