"""The plots of the report, drawn from what claims say they show."""

from __future__ import annotations

import warnings

import numpy as np

from bench.figures import svg
from claims.chart import Chart, Series
from claims.texts import Text
from soloist.cli.plotting import Axes, PercentFormatter

_COLOURS = ("#2f7fe0", "#e07b1a", "#2e9e5b", "#a855f7", "#8a919e", "#d6336c", "#0ca678")
_SIZE_INCHES = (7.6, 3.2)


def plot(chart: Chart, words: Text) -> str:
    """Draw a chart as SVG, its texts in the language of `words`."""

    def draw(panels: list[Axes]) -> None:
        panel = panels[0]
        places = _lines(panel, chart, words) if chart.kind == "lines" else _bars(panel, chart, words)
        panel.set_xlabel(words.label(chart.x_label))
        panel.set_ylabel(words.label(chart.y_label))
        if chart.kind == "bars":
            panel.set_xticks(places, [words.label(str(name)) for name in chart.x])
        if chart.log_y:
            panel.set_yscale("log")
        if chart.log_x:
            panel.set_xscale("log")
        if chart.percent:
            panel.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        if len(chart.series) > 1:
            panel.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=9)

    with warnings.catch_warnings():
        # Text stays text, so the reader's fonts draw it; matplotlib's own only measure it.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        return svg(draw, panels=1, size_inches=_SIZE_INCHES)


def _lines(panel: Axes, chart: Chart, words: Text) -> list[float]:
    x = [float(value) for value in chart.x]
    for colour, series in zip(_COLOURS, chart.series, strict=False):
        panel.plot(x, series.y, color=colour, marker="o", markersize=4, label=words.label(series.name))
        if series.low:
            panel.fill_between(x, series.low, series.high, color=colour, alpha=0.15, linewidth=0)
    return x


def _bars(panel: Axes, chart: Chart, words: Text) -> list[float]:
    places, width = [float(place) for place in range(len(chart.x))], 0.8 / len(chart.series)
    for index, (colour, series) in enumerate(zip(_COLOURS, chart.series, strict=False)):
        shifted = [place + width * (index - (len(chart.series) - 1) / 2) for place in places]
        panel.bar(shifted, series.y, 0.9 * width, color=colour, label=words.label(series.name), yerr=_errors(series))
    return places


def _errors(series: Series) -> np.ndarray | None:
    if not series.low:
        return None
    low, high, y = (np.asarray(values, np.float64) for values in (series.low, series.high, series.y))
    return np.nan_to_num(np.stack([y - low, high - y]))
