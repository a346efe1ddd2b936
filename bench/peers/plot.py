"""The plot of a run: the rate of every server at each number in flight, with the spread of the rounds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bench.peers.catalogue import LOOP
from bench.peers.rounds import Found
from bench.peers.slices import STEPS, WHOLE
from bench.peers.summary import Summary
from soloist.cli.plotting import Axes, Figure, mpl

_COLOURS = ("#9cc2f0", "#4f90dc", "#1c5aa6", "#0d3566")
_WRONG_COLOUR = "#c2185b"
_STYLE: dict[Any, Any] = {  # of rcParams, which have too many names for a type
    "svg.fonttype": "none",
    "svg.hashsalt": "soloist peers",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
}
_ROW_INCHES, _WIDTH_INCHES, _MORE_INCHES = 0.5, 9.0, 1.4
_BAR_SPACE = 0.8


def draw(found: Found, path: Path) -> None:
    """Write the plot as SVG."""
    summary = Summary(found.slices)
    panels = {WHOLE: "whole sequences a second", STEPS: "steps of streams a second"}
    rows = {traffic: summary.rows(traffic)[::-1] for traffic in panels}
    counts = [max(len(rows[traffic]), 1) for traffic in panels]
    with mpl.rc_context(_STYLE):
        height = _ROW_INCHES * sum(counts) + _MORE_INCHES
        figure = Figure(figsize=(_WIDTH_INCHES, height), layout="constrained")
        axes = figure.subplots(len(panels), 1, gridspec_kw={"height_ratios": counts})
        for (traffic, label), one in zip(panels.items(), axes, strict=True):
            _panel(one, summary, traffic, rows[traffic])
            one.set_xlabel(label)
        axes[0].legend(title="in flight", loc="lower right")
        figure.savefig(path, metadata={"Date": None})


def _panel(axes: Axes, summary: Summary, traffic: str, rows: list[str]) -> None:
    counts = summary.in_flight()
    width = _BAR_SPACE / len(counts)
    for place, count in enumerate(counts):
        cells = [(index, cell) for index, row in enumerate(rows) if (cell := summary.cell(traffic, row, count))]
        axes.barh(
            [index + _BAR_SPACE / 2 - (place + 0.5) * width for index, _ in cells],
            [cell.rate.median for _, cell in cells],
            width,
            xerr=[
                [cell.rate.median - cell.rate.least for _, cell in cells],
                [cell.rate.most - cell.rate.median for _, cell in cells],
            ],
            color=_COLOURS[place % len(_COLOURS)],
            edgecolor=[_WRONG_COLOUR if cell.wrong else "none" for _, cell in cells],
            error_kw={"elinewidth": 0.8},
            label=str(count),
        )
    lowest = min((cell.rate.median for row in rows if (cell := summary.cell(traffic, row, counts[0]))), default=1.0)
    axes.set_xlim(left=max(lowest, 1.0) / 4)
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.set_yticks(range(len(rows)), [_name(summary, traffic, row) for row in rows])
    axes.set_xscale("log")


def _name(summary: Summary, traffic: str, row: str) -> str:
    cells = [summary.cell(traffic, row, count) for count in summary.in_flight()]
    wrong = row != LOOP and any(cell is not None and cell.wrong for cell in cells)
    return f"{row} (wrong answers)" if wrong else row
