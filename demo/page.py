"""Owns report.html: one file that needs nothing else."""

from __future__ import annotations

from importlib import resources

from jinja2 import Environment, StrictUndefined

from bench.workload import RANDOM_CHUNK_FRAMES
from demo import plots
from demo.result import Report

_TEMPLATE = "report.html.j2"


def page(report: Report) -> str:
    """Render the report."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(resources.files("demo").joinpath(_TEMPLATE).read_text())
    return template.render(
        report=report,
        models=report.models,
        chunk_frames=RANDOM_CHUNK_FRAMES,
        accuracy_svg=plots.accuracy_by_frame(report.models),
        latency_svg=plots.latency_by_percentile(report.models),
    )
