"""The plots of the report, drawn from what claims say they show."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.figures import svg
from claims.chart import Chart, Series
from claims.texts import Text
from soloist.cli.plotting import Axes, MaxNLocator, PercentFormatter

_COLOURS = ("#2f7fe0", "#e07b1a", "#2e9e5b", "#a855f7", "#8a919e", "#d6336c", "#7a5230")
_WIDTH_INCHES, _HEIGHT_INCHES = 7.6, 3.2
_MOST_LETTERS = 50  # of names that stand beside each other; more stand one below the other
_ROW_INCHES, _MARGIN_INCHES = 0.34, 1.1
_BAR_SHARE = 0.8  # of the room for a name


def plot(chart: Chart, words: Text) -> str:
    """Draw a chart as SVG, its texts in the language of `words`."""
    names = [words.label(str(name)) for name in chart.x] if chart.kind == "bars" else []
    is_upright = sum(map(len, names)) <= _MOST_LETTERS

    def draw(panels: list[Axes]) -> None:
        panel = panels[0]
        if chart.kind == "lines":
            _lines(panel, chart, words)
        else:
            _bars(panel, chart, words, names, is_upright=is_upright)
        if len(chart.series) > 1:
            panel.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=9)

    height = _HEIGHT_INCHES if is_upright else _MARGIN_INCHES + _ROW_INCHES * len(names) * len(chart.series)
    with warnings.catch_warnings():
        # Text stays text, so the reader's fonts draw it; matplotlib's own only measure it.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        return svg(draw, panels=1, size_inches=(_WIDTH_INCHES, height))


def _lines(panel: Axes, chart: Chart, words: Text) -> None:
    x = [float(value) for value in chart.x]
    for colour, series in zip(_COLOURS, chart.series, strict=False):
        panel.plot(x, series.y, color=colour, marker="o", markersize=4, label=words.label(series.name))
        if series.low:
            panel.fill_between(x, series.low, series.high, color=colour, alpha=0.15, linewidth=0)
    panel.set_xlabel(words.label(chart.x_label))
    panel.set_ylabel(words.label(chart.y_label))
    panel.set_xscale("log" if chart.log_x else "linear")
    panel.set_yscale("log" if chart.log_y else "linear")
    if not chart.log_x and all(value == int(value) for value in x):
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    if chart.percent:
        panel.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))


def _bars(panel: Axes, chart: Chart, words: Text, names: list[str], *, is_upright: bool) -> None:
    width = _BAR_SHARE / len(chart.series)
    for index, (colour, series) in enumerate(zip(_COLOURS, chart.series, strict=False)):
        places = [place + width * (index - (len(chart.series) - 1) / 2) for place in range(len(names))]
        style: dict[str, Any] = {"color": colour, "label": words.label(series.name)}
        if is_upright:
            panel.bar(places, series.y, 0.9 * width, yerr=_errors(series), **style)
        else:
            panel.barh(places, series.y, 0.9 * width, xerr=_errors(series), **style)
    value_label, scale = words.label(chart.y_label), "log" if chart.log_y else "linear"
    if is_upright:
        panel.set_xticks(range(len(names)), names)
        panel.set_xlabel(words.label(chart.x_label))
        panel.set_ylabel(value_label)
        panel.set_yscale(scale)
    else:
        panel.set_yticks(range(len(names)), names)
        panel.invert_yaxis()
        panel.set_ylabel(words.label(chart.x_label))
        panel.set_xlabel(value_label)
        panel.set_xscale(scale)
    if chart.percent:
        axis = panel.yaxis if is_upright else panel.xaxis
        axis.set_major_formatter(PercentFormatter(1.0, decimals=0))


def _errors(series: Series) -> npt.NDArray[np.float64] | None:
    if not series.low:
        return None
    low, high, y = (np.asarray(values, np.float64) for values in (series.low, series.high, series.y))
    return np.nan_to_num(np.stack([y - low, high - y]))
