"""How a load is shown: as a table or as JSON, and in an HTML file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from bench.load_generator import ramp, report
from bench.load_generator.ramp import Knee
from bench.load_generator.report import Summary
from soloist.json_text import json_text

# Of the JSON, as described in report.schema.json; the next number comes when something is taken away or changes.
FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class Shown:
    """Where it is shown. `html` is a file to write."""

    as_json: bool
    html: Path | None = None

    def show(self, found: Summary | Knee) -> int:
        """Show a load or a ramp, and return the exit code; that a ramp ends at a rate with errors is what it is for."""
        return self._load(found) if isinstance(found, Summary) else self._knee(found)

    def _load(self, summary: Summary) -> int:
        if self.html is not None:
            from bench.load_generator.html_report import load_page  # matplotlib takes its time

            self.html.write_text(load_page(summary))
        self._print("load", summary.as_json(), report.table(summary), report.remarks(summary))
        return 1 if summary.errors or summary.differing else 0

    def _knee(self, knee: Knee) -> int:
        if self.html is not None:
            from bench.load_generator.html_report import knee_page

            self.html.write_text(knee_page(knee))
        self._print("ramp", knee.as_json(), ramp.table(knee), ramp.remarks(knee))
        return 0 if knee.rate_per_second and not knee.differing else 1

    def _print(self, kind: str, figures: dict[str, Any], table: Table, remarks: list[str]) -> None:
        if self.as_json:
            click.echo(json_text({"format": FORMAT, "kind": kind, **figures}))
            return
        console = Console(highlight=False)
        console.print(table)
        for line in remarks:
            console.print(line, soft_wrap=True)
