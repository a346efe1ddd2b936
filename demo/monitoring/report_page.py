"""report.html of the monitoring demonstration, and its figures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bench.figures import INK, svg
from demo.monitoring.interval import Interval
from demo.monitoring.plan import BATCH
from demo.monitoring.result import Live, Report, SkewPoint
from demo.monitoring.summary import ANSWERERS, LiveRow, OfflineRow, crossings, live_rows, offline_rows
from demo.rendering import render
from soloist.cli.plotting import Axes, PercentFormatter

_COLOURS = {"layer": "#2f7fe0", "batch": "#e07b1a", "single_pass": "#8a919e", "recalibrated": "#2aa876"}
_NAMES = {"layer": "LayerNorm", "batch": "BatchNorm", "single_pass": "single pass", "recalibrated": "recalibrated"}
_FIGURES = {"mean_tid": "mean TID", "variance_tid": "variance TID", "divergence_nats": "divergence"}
_FIGURE_COLOURS = {"mean_tid": "#2f7fe0", "variance_tid": "#e07b1a", "divergence_nats": "#a855f7"}
_SPREAD = 0.16  # between the marks of one place


def offline_accuracy(rows: Sequence[OfflineRow]) -> str:
    """Draw accuracy by shift, a mark and its interval for each who answers."""

    def draw(panels: list[Axes]) -> None:
        (panel,) = panels
        for number, which in enumerate(ANSWERERS):
            intervals = [row.accuracy[which] for row in rows]
            _marks(panel, intervals, number, _COLOURS[which], _NAMES[which], marker="o")
        panel.set_xticks(range(len(rows)), [row.shift.replace(", ", ",\n") for row in rows], fontsize=9)
        _finish(panel)

    return svg(draw, panels=1, size_inches=(9.2, 3.8))


def live_accuracy(rows: Sequence[LiveRow]) -> str:
    """Draw accuracy by phase: by labels, and as it was estimated without."""
    phases = list(dict.fromkeys(row.phase.letter for row in rows))
    roles = [role for role in ANSWERERS if any(row.role == role for row in rows)]

    def draw(panels: list[Axes]) -> None:
        (panel,) = panels
        for number, role in enumerate(roles):
            by_phase = {row.phase.letter: row for row in rows if row.role == role}
            of = [by_phase.get(phase) for phase in phases]
            matured, estimated = ([getattr(row, which) if row else None for row in of] for which in _SEEN)
            _marks(panel, matured, number - 0.2, _COLOURS[role], f"{_NAMES[role]}, by labels", marker="o")
            _marks(panel, estimated, number + 0.2, _COLOURS[role], f"{_NAMES[role]}, estimated", marker="x")
        names = {row.phase.letter: "\n".join((row.phase.letter, *row.phase.shift.split(", "))) for row in rows}
        panel.set_xticks(range(len(phases)), [names[phase] for phase in phases])
        _finish(panel)

    return svg(draw, panels=1, size_inches=(9.2, 4.0))


def skew_over_time(live: Live) -> str:
    """Draw the skew of the stale BatchNorm as a multiple of its thresholds, a panel a layer, a line a seed."""
    points = [point for point in live.skew if point.version == BATCH]
    layers = list(dict.fromkeys(point.layer for point in points))

    def draw(panels: list[Axes]) -> None:
        for panel, layer in zip(panels, layers, strict=False):
            _skew_panel(panel, [point for point in points if point.layer == layer])
            _phases(panel, live)
            panel.set_title(layer.removeprefix("body."))
            panel.set_yscale("log")
            panel.axhline(1.0, color=INK, linewidth=1.0, linestyle="--")
        for panel in panels[-2:]:
            panel.set_xlabel("seconds")
        for panel in panels[::2]:
            panel.set_ylabel("× threshold")
        panels[0].legend(loc="lower center", fontsize=8.5)

    rows = -(-len(layers) // 2)
    return svg(draw, panels=2 * rows, rows=rows, size_inches=(9.2, 2.7 * rows), sharex=True)


_SEEN = ("matured", "estimated")


def _skew_panel(panel: Axes, points: Sequence[SkewPoint]) -> None:
    for figure, name in _FIGURES.items():
        for number, seed in enumerate(dict.fromkeys(point.seed for point in points)):
            of_seed = [(point.at_seconds, point.times_threshold(figure)) for point in points if point.seed == seed]
            seconds, multiples = zip(*of_seed, strict=True)
            known = [np.nan if multiple is None else multiple for multiple in multiples]
            label = None if number else name
            panel.plot(seconds, known, color=_FIGURE_COLOURS[figure], linewidth=0.9, alpha=0.75, label=label)


def _phases(panel: Axes, live: Live) -> None:
    for phase in live.phases:
        panel.axvspan(phase.begin_seconds, phase.end_seconds, color=INK, alpha=0.06, linewidth=0)
        middle = (phase.begin_seconds + phase.end_seconds) / 2
        panel.text(middle, 0.98, phase.letter, transform=panel.get_xaxis_transform(), ha="center", va="top", fontsize=9)


def _marks(
    panel: Axes, intervals: Sequence[Interval | None], number: float, colour: str, label: str, *, marker: str
) -> None:
    places = [(place + (number - 1.5) * _SPREAD, interval) for place, interval in enumerate(intervals)]
    known = [(place, interval) for place, interval in places if interval is not None]
    if known:
        at, found = zip(*known, strict=True)
        widths = [interval.half_width or 0.0 for interval in found]
        means = [interval.mean for interval in found]
        panel.errorbar(
            at, means, yerr=widths, fmt=marker, color=colour, label=label, markersize=4.5, elinewidth=1.2, capsize=2
        )


def _finish(panel: Axes) -> None:
    panel.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    panel.set_ylabel("right answers")
    panel.set_ylim(top=1.02)
    panel.grid(axis="x", visible=False)
    panel.legend(loc="lower left", fontsize=8.5, ncols=2)


def page(report: Report) -> str:
    """Render the report."""
    offline, live = offline_rows(report.offline), live_rows(report.live)
    return render(
        "monitoring/report.html.j2",
        report=report,
        offline=offline,
        live=live,
        crossings=crossings(report.live),
        offline_svg=offline_accuracy(offline),
        live_svg=live_accuracy(live),
        skew_svg=skew_over_time(report.live),
    )
