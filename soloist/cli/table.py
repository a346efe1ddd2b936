"""How models are listed on a terminal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from soloist.client import ModelStatus


def show_models(found: Iterable[ModelStatus]) -> None:
    """Print a line a version."""
    rows = [("MODEL", "VERSION", "STATE", "REASON")]
    rows += [(status.name, str(status.version), str(status.state), status.reason) for status in found]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for *cells, reason in rows:
        padded = [cell.ljust(width) for cell, width in zip(cells, widths, strict=True)]
        click.echo("  ".join([*padded, reason]).rstrip())
