"""Figures: SVG in the text colour of the page that they stand in."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Callable
from typing import Any

from soloist.cli.plotting import Axes, Figure, mpl

# Stands for the text colour while matplotlib draws; the page is light or dark, and decides.
INK = "#010203"
_FILE_INK = "#1b2430"
_SIZE_INCHES = (9.2, 3.5)
_STYLE: dict[Any, Any] = {  # of rcParams, whose names are too many for a type
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 10.5,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "grid.color": INK,
    "grid.alpha": 0.15,
    "axes.grid": True,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
}


def svg(
    draw: Callable[[list[Axes]], None],
    *,
    panels: int,
    rows: int = 1,
    size_inches: tuple[float, float] = _SIZE_INCHES,
    sharex: bool = False,
) -> str:
    """Return what `draw` makes of panels that share their vertical axis, row by row."""
    with mpl.rc_context({**_STYLE, "svg.hashsalt": draw.__qualname__}):  # ids differ between figures of one page
        figure = Figure(figsize=size_inches, layout="constrained")
        axes = figure.subplots(rows, panels // rows, sharey=True, sharex=sharex, squeeze=False)
        draw(list(axes.flat))
        text = io.StringIO()
        figure.savefig(text, format="svg", transparent=True)
    drawn = text.getvalue()
    drawn = drawn[drawn.index("<svg") :]  # no XML prologue inside HTML
    drawn = re.sub(r"<metadata>.*?</metadata>", "", drawn, flags=re.DOTALL)
    return drawn.replace(INK, "currentColor").replace('id="figure_1"', "")


def standalone(drawn: str) -> str:
    """Return a figure of a page as a file of its own: dark on white, readable wherever it is shown."""
    head, rest = drawn.replace("currentColor", _FILE_INK).split(">", 1)
    return f'{head}>\n <rect width="100%" height="100%" fill="#ffffff"/>{rest}'


def nines(percentile: float) -> float:
    """Return the place on an axis that spreads the slow calls out: 0, 90, 99 % lie at equal distances."""
    return -math.log10(1.0 - percentile / 100.0)
