"""The pages: figures, tables, and what the command prints."""

from __future__ import annotations

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from bench.load_generator import ramp, report
from bench.load_generator.html_report import plots
from bench.load_generator.ramp import Knee
from bench.load_generator.report import Summary


def load_page(summary: Summary) -> str:
    """Return the page of one load."""
    return _render(title=report.title(summary), remarks=report.remarks(summary), knee=None, summary=summary)


def knee_page(knee: Knee) -> str:
    """Return the page of a ramp; latencies are those of the knee, or else of the first rate that was tried."""
    found = [step.summary for step in knee.steps if step.rate_per_second == knee.rate_per_second]
    summary = (found or [knee.steps[0].summary])[0]
    title = f"{summary.load.model}: the highest rate whose p99 is at most {knee.p99_ms:g} ms"
    return _render(title=title, remarks=ramp.remarks(knee), knee=knee, summary=summary)


def _render(*, title: str, remarks: list[str], knee: Knee | None, summary: Summary) -> str:
    environment = Environment(
        loader=PackageLoader("bench.load_generator.html_report", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    figures: dict[str, Any] = {
        "latency_svg": plots.latency_by_percentile(summary) if summary.answered else None,
        "timeline_svg": plots.answers_over_time(summary),
        "knee_svg": plots.rate_against_p99(knee) if knee else None,
    }
    page = environment.get_template("page.html.j2")
    return page.render(title=title, remarks=remarks, knee=knee, summary=summary, **figures)
