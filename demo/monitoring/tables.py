"""The tables that the monitoring demonstration prints."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.table import Table

from bench.monitoring_cost import Ratios
from demo.monitoring.interval import Interval
from demo.monitoring.result import Live, Report
from demo.monitoring.summary import ANSWERERS, crossings, live_rows, offline_rows


def tables(report: Report) -> list[Table]:
    """Lay everything out: offline, live, crossings, gates, costs."""
    return [_offline(report), _live(report.live), _crossings(report.live), _gates(report.live), _costs(report.costs)]


def percent(interval: Interval | None) -> str:
    """Return a share in percent; a dash for none."""
    return "-" if interval is None else interval.percent()


def _table(title: str, *columns: str, left: int) -> Table:
    shown = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for number, column in enumerate(columns):
        shown.add_column(column, justify="left" if number < left else "right")
    return shown


def _offline(report: Report) -> Table:
    title = f"Offline, the whole held-out set, percent right (mean ± 95 % over {len(report.seeds)} seeds)"
    columns = ("shift", "layer", "batch, stale", "single pass", "recalibrated", "recalibrated - stale")
    shown = _table(title, *columns, left=1)
    for row in offline_rows(report.offline):
        shown.add_row(row.shift, *(row.accuracy[which].percent() for which in ANSWERERS), row.gain.percent())
    return shown


def _live(live: Live) -> Table:
    columns = ("phase", "shift", "model", "matured", "estimated", "estimated - matured", "ECE", "labelled", "later")
    shown = _table("Live, percent, by what the server knows", *columns, left=3)
    for row in live_rows(live):
        figures = (row.matured, row.estimated, row.gap, row.calibration_error, row.coverage_at_end, row.coverage)
        shown.add_row(f"{row.phase.letter} {row.phase.title}", row.phase.shift, row.role, *map(percent, figures))
    return shown


def _crossings(live: Live) -> Table:
    columns = ("phase", "shift", "model", "layer", "seeds beyond, at first", "at the end", "first seen after, s")
    shown = _table("Skew beyond a threshold", *columns, left=4)
    for row in crossings(live):
        after = "-" if row.after_seconds is None else f"{row.after_seconds.mean:.1f}"
        counts = (f"{row.at_begin} of {row.seeds}", f"{row.at_end} of {row.seeds}")
        shown.add_row(f"{row.phase.letter} {row.phase.title}", row.phase.shift, row.role, row.layer, *counts, after)
    return shown


def _gates(live: Live) -> Table:
    shown = _table("Gates of recalibration", "shift", "seed", "passed", "gate", left=4)
    for proposal in live.proposals:
        for number, gate in enumerate(proposal.gates):
            head = (proposal.shift, str(proposal.seed), "yes" if proposal.passed else "no") if not number else ("",) * 3
            shown.add_row(*head, gate)
    return shown


def _costs(costs: Sequence[Ratios]) -> Table:
    columns = ("server", "processor time a request, ratio", "from, to", "p50, ratio", "p99, ratio")
    shown = _table("What watching costs, medians over rounds", *columns, left=1)
    for cost in costs:
        spread = f"{cost.least_cpu_ratio:.3f}, {cost.largest_cpu_ratio:.3f}"
        shown.add_row(cost.name, f"{cost.cpu_ratio:.3f}", spread, f"{cost.p50_ratio:.3f}", f"{cost.p99_ratio:.3f}")
    return shown
