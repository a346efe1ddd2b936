"""The table that the demonstration prints."""

from __future__ import annotations

from rich import box
from rich.table import Table

from demo.result import ModelResult, Report

_COLUMNS = ("model", "norm", "offline", "whole", "streamed", "bits differ", "p50 ms", "p99 ms", "frames/s")
_TEXT_COLUMNS = 2


def table(report: Report) -> Table:
    """Lay the results out, one row a model."""
    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for number, column in enumerate(_COLUMNS):
        shown.add_column(column, justify="left" if number < _TEXT_COLUMNS else "right", no_wrap=True)
    for model in report.models:
        shown.add_row(*_cells(model))
    return shown


def legend(report: Report) -> list[str]:
    """Return what the columns mean."""
    first = report.models[0]
    return [
        f"accuracy on {first.sequences} held-out sequences: offline as exported, whole by Predict, streamed by Stream "
        "in random chunks",
        "bits differ: sequences for which any output at any frame is not the same, whole and streamed",
        f"p50, p99: of Predict, from the time each call was due; Poisson arrivals, {report.load_rate_per_second:g} a "
        f"second for {report.load_seconds:g} s",
        f"frames/s: held-out frames answered whole, one sequence a call, {report.calls_at_once} calls under way",
    ]


def _cells(model: ModelResult) -> tuple[str, ...]:
    latency = model.whole_load.sequence
    return (
        model.name,
        model.norm,
        f"{model.accuracy_offline:.2%}",
        f"{model.accuracy_whole:.2%}",
        f"{model.accuracy_streamed:.2%}",
        str(model.bits_differ),
        f"{latency.p50_ms:.2f}",
        f"{latency.p99_ms:.2f}",
        f"{model.frames_per_second_whole:,.0f}",
    )
