"""The plot of a comparison: how far each answer is from the one alone, by neighbours and scale, padding, and chunks.

There is a panel for each scale of neighbours, and one for everything else.
Differences have a logarithmic axis, which has no zero, so answers with the same bits have a band of their own below.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from soloist.cli.plotting import Axes, Figure, Line2D, mpl
from soloist.client.comparison import BatchNeighbours, Chunked, Padded

if TYPE_CHECKING:
    from soloist.client import Comparison, Condition, Deviation, ModelComparison

_NORM_COLOURS = {"layer": "#2f7fe0", "batch": "#2e9e5b"}
_CONTROL_COLOURS = ("#e0561a", "#a83fc4", "#9a6b00", "#c2185b")
_OTHER_COLOURS = ("#5b6270", "#00919a", "#7a4fd0", "#8d6e63")
_MARKERS = "osD^vPX*"
_COLUMN_INCHES, _HEIGHT_INCHES, _LINE_INCHES = 3.0, 4.6, 0.22
_MOST_COLUMNS = 3  # of the legend
_LEAST_RANGE = (1e-8, 10.0)  # the logarithmic axis shows at least this
_STYLE: dict[Any, Any] = {  # of rcParams, which have too many names for a type
    "svg.fonttype": "none",
    "svg.hashsalt": "soloist compare",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10.5,
    "legend.frameon": False,
}
_Pick = Callable[["ModelComparison"], "Deviation | None"]


@dataclass(frozen=True, kw_only=True)
class _Panel:
    """A column: `picks` find the deviation of a model above each of the `ticks`; `joined` by a line, or not."""

    title: str
    label: str
    ticks: list[str]
    picks: list[_Pick]
    joined: bool


def draw(comparison: Comparison, path: Path) -> None:
    """Write the plot; the suffix of `path` is its format, .svg or .png."""
    panels = _panels_of(comparison)
    colours = _colours(comparison.models)
    with mpl.rc_context(_STYLE):
        legend, columns = _legend(comparison.models, colours), min(max(len(panels) - 1, 1), _MOST_COLUMNS)
        lines = math.ceil(len(legend) / columns)
        size = (_COLUMN_INCHES * max(len(panels), 2), _HEIGHT_INCHES + _LINE_INCHES * lines)
        figure = Figure(figsize=size, layout="constrained")
        rows = {"height_ratios": [5, 0.4 + 0.3 * len(comparison.models)], "hspace": 0.0}
        axes = figure.subplots(2, len(panels), sharex="col", sharey="row", squeeze=False, gridspec_kw=rows)
        for panel, upper, lower in zip(panels, *axes, strict=True):
            _draw_panel(upper, lower, panel, comparison.models, colours)
        _scale(axes[0][0], axes[1][0], panels, comparison.models)
        figure.suptitle("How far an answer moves when only its surroundings change", x=0.01, ha="left", weight="bold")
        figure.legend(handles=legend, loc="outside lower left", ncols=columns, fontsize=9)
        figure.savefig(path, dpi=150, metadata={"Date": None} if path.suffix == ".svg" else None)


def _panels_of(comparison: Comparison) -> list[_Panel]:
    """Distribute the conditions to panels; at least one."""
    by_scale: dict[float, list[int]] = {}
    others: list[int] = []
    for index, condition in enumerate(comparison.conditions):
        if isinstance(condition, BatchNeighbours):
            by_scale.setdefault(condition.scale, []).append(index)
        else:
            others.append(index)
    panels = [_neighbour_panel(comparison, scale, indices) for scale, indices in by_scale.items()]
    ticks, picks = [_tick(comparison.conditions[index]) for index in others], [_pick(index) for index in others]
    twins = [model for model in comparison.models if model.deviation_from_twin is not None]
    if twins:
        of_batch_norm = all(model.norm.startswith("batch") for model in twins)
        ticks.append("against\nrunning\nstatistics" if of_batch_norm else "against\nno control")
        picks.append(lambda model: model.deviation_from_twin)
    if ticks:
        panels.append(_Panel(title="in a batch of one", label="", ticks=ticks, picks=picks, joined=False))
    return panels


def _neighbour_panel(comparison: Comparison, scale: float, indices: list[int]) -> _Panel:
    title = (
        "neighbours of zeros" if scale == 0 else "ordinary neighbours (×1)" if scale == 1 else f"neighbours ×{scale:g}"
    )
    return _Panel(
        title=title,
        label="neighbours in the batch",
        ticks=[_tick(comparison.conditions[index]) for index in indices],
        picks=[_pick(index) for index in indices],
        joined=True,
    )


def _pick(index: int) -> _Pick:
    return lambda model: model.outcomes[index].deviation


def _tick(condition: Condition) -> str:
    match condition:
        case BatchNeighbours(count=count):
            return str(count)
        case Padded(frames=frames):
            return f"padded\nto {frames}"
        case Chunked(frames=frames):
            return f"chunks\nof {frames}"


def _draw_panel(upper: Axes, lower: Axes, panel: _Panel, models: list[ModelComparison], colours: list[str]) -> None:
    for lane, (model, colour) in enumerate(zip(models, colours, strict=True)):
        found = [(place, pick(model)) for place, pick in enumerate(panel.picks)]
        moved = [(place, each) for place, each in found if each is not None and not each.same_bits]
        kept = [place for place, each in found if each is not None and each.same_bits]
        style: dict[str, Any] = {"color": colour, "marker": _MARKERS[lane % len(_MARKERS)], "markersize": 6}
        line = "-" if panel.joined else ""
        upper.plot([place for place, _ in moved], [_height(each) for _, each in moved], linestyle=line, **style)
        lower.plot(kept, [-lane] * len(kept), linestyle="", **style)
        changed = [(place, _height(each)) for place, each in moved if each.class_changed]
        upper.plot(*zip(*changed, strict=True) if changed else ([], []), **_ring())
    upper.set_title(panel.title, loc="left")
    upper.tick_params(axis="x", length=0)
    upper.spines.bottom.set_visible(False)
    lower.set_xticks(range(len(panel.ticks)), panel.ticks)
    lower.set_xlim(-0.5, len(panel.ticks) - 0.5)
    lower.set_xlabel(panel.label)
    lower.set_facecolor("#eef1f5")
    for axis in (upper, lower):
        axis.grid(axis="x", color="#d5dae2", linewidth=0.7)
        axis.set_axisbelow(True)
    upper.grid(axis="y", color="#d5dae2", linewidth=0.7)


def _scale(upper: Axes, lower: Axes, panels: list[_Panel], models: list[ModelComparison]) -> None:
    """Set both vertical axes, which all panels share."""
    found = [pick(model) for panel in panels for pick in panel.picks for model in models]
    heights = [_height(each) for each in found if each is not None and not each.same_bits]
    finite = [height for height in heights if math.isfinite(height)]
    upper.set_yscale("log")
    upper.set_ylim(min([_LEAST_RANGE[0], *finite]), 3 * max([_LEAST_RANGE[1] / 3, *finite]))
    upper.set_ylabel("largest difference of any output\nfrom the answer alone (log)")
    lower.set_ylim(-len(models) + 0.4, 0.6)
    lower.set_yticks([-(len(models) - 1) / 2], ["0: same bits"], weight="bold")
    lower.tick_params(axis="y", length=0)


def _height(deviation: Deviation) -> float:
    # Different bits without a difference are zeros of the other sign: they are drawn at the bottom.
    return deviation.max_abs_difference or _LEAST_RANGE[0]


def _ring() -> dict[str, Any]:
    return {
        "linestyle": "", "marker": "o", "markersize": 13, "markerfacecolor": "none", "markeredgecolor": "#111111",
        "markeredgewidth": 1.2,
    }  # fmt: skip


def _colours(models: list[ModelComparison]) -> list[str]:
    controls, others = iter(_CONTROL_COLOURS * len(models)), iter(_OTHER_COLOURS * len(models))
    left = dict(_NORM_COLOURS)
    return [next(controls) if model.control else left.pop(model.norm, "") or next(others) for model in models]


def _legend(models: list[ModelComparison], colours: list[str]) -> list[Line2D]:
    entries = [
        Line2D([], [], color=colour, marker=_MARKERS[lane % len(_MARKERS)], label=_label(model))
        for lane, (model, colour) in enumerate(zip(models, colours, strict=True))
    ]
    return [*entries, Line2D([], [], **_ring(), label="another class")]


def _label(model: ModelComparison) -> str:
    run = [outcome.deviation for outcome in model.outcomes if outcome.deviation is not None]
    same = sum(each.same_bits for each in run)
    control = ", control" if model.control else ""
    return f"{model.model} ({model.norm}{control}): same bits {same} of {len(run)}"
