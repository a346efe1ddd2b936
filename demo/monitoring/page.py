"""Owns report.html of the monitoring demonstration."""

from __future__ import annotations

from demo.monitoring import plots
from demo.monitoring.result import Report
from demo.monitoring.summary import crossings, live_rows, offline_rows
from demo.template import render


def page(report: Report) -> str:
    """Render the report."""
    offline, live = offline_rows(report.offline), live_rows(report.live)
    return render(
        "monitoring/report.html.j2",
        report=report,
        offline=offline,
        live=live,
        crossings=crossings(report.live),
        offline_svg=plots.offline_accuracy(offline),
        live_svg=plots.live_accuracy(live),
        skew_svg=plots.skew_over_time(report.live),
    )
