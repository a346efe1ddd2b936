"""What a load looks like: latency by percentile, answers over time, and rate against p99."""

from __future__ import annotations

from bench.figures import nines, svg
from bench.load_generator.ramp import Knee, Step
from bench.load_generator.report import Summary
from bench.recorder import Latency
from soloist.cli.plotting import Axes, LogFormatter

_MARKED = (0.0, 50.0, 90.0, 99.0, 99.9, 99.99)
_KEPT, _FAILED, _TARGET = "#2f7fe0", "#e07b1a", "#8a919e"
_WIDE_INCHES = (9.2, 3.2)


def latency_by_percentile(summary: Summary) -> str:
    """Draw how long the fastest so many percent took, as far as their number tells."""

    def draw(panels: list[Axes]) -> None:
        (panel,) = panels
        for name, latency in summary.distributions().items():
            shown = [(nines(percentile), ms) for percentile, ms in latency.curve if percentile <= _highest(latency)]
            panel.plot(*zip(*shown, strict=True), label=name)
        marked = [
            percentile for percentile in _MARKED if percentile <= max(map(_highest, summary.distributions().values()))
        ]
        panel.set_xticks([nines(percentile) for percentile in marked], [f"{percentile:g}" for percentile in marked])
        panel.set_xlabel("percentile")
        panel.set_ylabel("milliseconds")
        panel.set_ylim(bottom=0)
        panel.legend(loc="upper left")

    return svg(draw, panels=1, size_inches=_WIDE_INCHES)


def answers_over_time(summary: Summary) -> str:
    """Draw the sequences that were answered in each second."""

    def draw(panels: list[Axes]) -> None:
        (panel,) = panels
        panel.stairs(summary.answered_by_second, color=_KEPT)
        panel.set_xlabel("seconds since the start; the last may be cut short")
        panel.set_ylabel("sequences answered in a second")
        panel.set_ylim(bottom=0)

    return svg(draw, panels=1, size_inches=_WIDE_INCHES)


def rate_against_p99(knee: Knee) -> str:
    """Draw each rate that was tried, kept or failed, the target, and the knee."""

    def draw(panels: list[Axes]) -> None:
        (panel,) = panels
        steps = sorted(knee.steps, key=lambda step: step.rate_per_second)
        panel.plot(*_points(steps), color=_TARGET, linewidth=1)
        for kept, colour, label in ((True, _KEPT, "kept"), (False, _FAILED, "failed")):
            some = [step for step in steps if step.kept is kept]
            panel.plot(*_points(some), "o", color=colour, label=label)
        panel.axhline(knee.p99_ms, color=_TARGET, linestyle="--", label=f"target, {knee.p99_ms:g} ms")
        if knee.rate_per_second is not None:
            panel.axvline(knee.rate_per_second, color=_KEPT, linestyle=":", label=f"knee, {knee.rate_per_second:.1f}")
        panel.set_yscale("log")
        panel.yaxis.set_major_formatter(LogFormatter())
        panel.yaxis.set_minor_formatter(LogFormatter(minor_thresholds=(1.5, 0.5)))
        panel.set_xlabel("sequences asked for in a second")
        panel.set_ylabel("p99, milliseconds")
        panel.legend(loc="upper left")

    return svg(draw, panels=1, size_inches=_WIDE_INCHES)


def _points(steps: list[Step]) -> tuple[list[float], list[float]]:
    return [step.rate_per_second for step in steps], [step.summary.sequence.p99_ms for step in steps]


def _highest(latency: Latency) -> float:
    """Return the highest percentile above which there is at least one call."""
    return max((each for each in _MARKED if latency.count * (100.0 - each) >= 100.0), default=0.0)
