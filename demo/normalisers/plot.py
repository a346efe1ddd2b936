"""The picture of the headline: accuracy in each company, and how many answers changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bench.figures import svg
from demo.normalisers.conditions import CONDITIONS
from demo.normalisers.result import NormaliserResult
from demo.normalisers.variants import CURRENT
from soloist.cli.plotting import Axes, PercentFormatter

_COLOURS = ("#8a919e", "#2e9e5b", "#e0561a", "#2f7fe0")  # of the companies
_MARKERS = "osD^"
_BITS, _CLASS = "#8a919e", "#e0561a"
_ROW_INCHES, _WIDTH_INCHES, _MARGIN_INCHES = 0.34, 9.2, 1.5


def company(rows: Sequence[NormaliserResult]) -> str:
    """Draw a row a model, two panels."""

    def draw(panels: list[Axes]) -> None:
        _accuracies(panels[0], rows)
        _differences(panels[1], rows)
        panels[0].set_yticks(range(len(rows)), [f"{row.title} ({row.architecture.upper()})" for row in rows])
        panels[0].invert_yaxis()
        panels[0].figure.suptitle(_point(rows), x=0.01, ha="left", weight="bold", fontsize=11.5)
        for panel in panels:
            panel.grid(axis="y", alpha=0.08)
            panel.tick_params(axis="y", length=0)

    return svg(draw, panels=2, size_inches=(_WIDTH_INCHES, _MARGIN_INCHES + _ROW_INCHES * len(rows)))


def _point(rows: Sequence[NormaliserResult]) -> str:
    moved = {row.kind for row in rows if row.bits_differ}
    if moved == {CURRENT}:
        return "Neighbours change BatchNorm's answers where it lacks running statistics, and no others"
    return "Answers that neighbours change"


def _accuracies(panel: Axes, rows: Sequence[NormaliserResult]) -> None:
    for index, condition in enumerate(CONDITIONS):
        shares = [row.accuracy(row.conditions[index]) for row in rows]
        heights = [place + 0.14 * (index - 1.5) for place in range(len(rows))]
        style: dict[str, Any] = {
            "color": _COLOURS[index],
            "marker": _MARKERS[index],
            "markersize": 5.0,
            "linestyle": "",
        }
        panel.plot(shares, heights, label=condition.title, **style)
    panel.set_title("right answers, by company")
    panel.set_xlim(-0.02, 1.02)
    panel.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    panel.legend(loc="upper center", bbox_to_anchor=(0.4, -0.08), ncols=2, fontsize=9)


def _differences(panel: Axes, rows: Sequence[NormaliserResult]) -> None:
    most = max((row.sequences for row in rows), default=1)
    places = range(len(rows))
    panel.barh([p - 0.18 for p in places], [r.bits_differ for r in rows], 0.34, color=_BITS, label="other bits")
    panel.barh([p + 0.18 for p in places], [r.class_differs for r in rows], 0.34, color=_CLASS, label="another class")
    for place, row in enumerate(rows):
        text = f"{row.bits_differ} / {row.class_differs}" if row.bits_differ or row.class_differs else "0"
        panel.text(row.bits_differ + 0.015 * most, place, text, va="center", fontsize=9)
    panel.set_title(f"answers of {most} that company changes")
    panel.set_xlim(0, 1.25 * most)
    panel.legend(loc="upper center", bbox_to_anchor=(0.5, -0.08), ncols=2, fontsize=9)
