"""report.html of the demonstration, and its figures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bench.figures import nines, svg
from bench.load_generator.workload import RANDOM_CHUNK_FRAMES
from demo.normalisers import plot
from demo.rendering import render
from demo.result import ModelResult, Report
from soloist.cli.plotting import Axes, PercentFormatter

if TYPE_CHECKING:
    from bench.recorder import Latency

_NORM_COLOURS = {"none": "#8a919e", "layer": "#2f7fe0", "batch": "#e07b1a"}
_OTHER_COLOUR = "#a855f7"
_ARCHITECTURE_LINES = {"lstm": "-", "tcn": "--"}
_PERCENTILES = (0.0, 50.0, 90.0, 99.0)  # marked; the last is as far as a few hundred calls can tell


def accuracy_by_frame(models: Sequence[ModelResult]) -> str:
    """Draw the share of right answers after n frames, one panel an architecture."""
    architectures = list(dict.fromkeys(model.architecture for model in models))

    def draw(panels: list[Axes]) -> None:
        for panel, architecture in zip(panels, architectures, strict=True):
            for model in models:
                if model.architecture == architecture:
                    shares = [correct / model.sequences for correct in model.correct_by_frame]
                    panel.plot(range(1, len(shares) + 1), shares, color=_colour(model), label=model.norm)
            panel.set_title(architecture.upper())
            panel.set_xlabel("frames seen")
            panel.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
            panel.legend(loc="lower right")
        panels[0].set_ylabel("right answers")

    return svg(draw, panels=len(architectures))


def latency_by_percentile(models: Sequence[ModelResult]) -> str:
    """Draw how long the fastest so many percent of calls took, of whole sequences and of chunks."""

    def draw(panels: list[Axes]) -> None:
        whole, chunk = panels
        for model in models:
            _curve(whole, model.whole_load.sequence, model)
            if model.streamed_load.chunk is not None:
                _curve(chunk, model.streamed_load.chunk, model)
        for panel, title in ((whole, "one whole sequence (Predict)"), (chunk, "one chunk (Stream)")):
            panel.set_title(title)
            panel.set_xticks([nines(percentile) for percentile in _PERCENTILES], [f"{p:g}" for p in _PERCENTILES])
            panel.set_xlabel("percentile")
            panel.set_ylim(bottom=0)
        whole.set_ylabel("milliseconds")
        whole.legend(loc="upper left", fontsize=9)

    return svg(draw, panels=2)


def _curve(panel: Axes, latency: Latency, model: ModelResult) -> None:
    points = [(nines(percentile), ms) for percentile, ms in latency.curve if percentile <= _PERCENTILES[-1]]
    line = _ARCHITECTURE_LINES.get(model.architecture, ":")
    label = f"{model.architecture} {model.norm}"
    panel.plot(*zip(*points, strict=True), color=_colour(model), linestyle=line, label=label)


def _colour(model: ModelResult) -> str:
    return _NORM_COLOURS.get(model.norm, _OTHER_COLOUR)


def page(report: Report) -> str:
    """Render the report."""
    return render(
        "report.html.j2",
        report=report,
        models=report.models,
        normalisers=report.normalisers,
        normalisers_svg=plot.company(report.normalisers),
        chunk_frames=RANDOM_CHUNK_FRAMES,
        accuracy_svg=accuracy_by_frame(report.models),
        latency_svg=latency_by_percentile(report.models),
    )
