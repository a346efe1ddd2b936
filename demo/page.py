"""Owns report.html of the demonstration."""

from __future__ import annotations

from bench.workload import RANDOM_CHUNK_FRAMES
from demo import plots
from demo.normalisers import plot
from demo.result import Report
from demo.template import render


def page(report: Report) -> str:
    """Render the report."""
    return render(
        "report.html.j2",
        report=report,
        models=report.models,
        normalisers=report.normalisers,
        normalisers_svg=plot.company(report.normalisers),
        chunk_frames=RANDOM_CHUNK_FRAMES,
        accuracy_svg=plots.accuracy_by_frame(report.models),
        latency_svg=plots.latency_by_percentile(report.models),
    )
