"""Which conditions of a comparison stand side by side in a picture: a panel a scale of neighbours, one for all else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from soloist.client.comparison import BatchNeighbours, Chunked, Padded

if TYPE_CHECKING:
    from soloist.client import Comparison, Condition, Deviation, ModelComparison

Pick = Callable[["ModelComparison"], "Deviation | None"]


@dataclass(frozen=True, kw_only=True)
class Panel:
    """A column: `picks` find the deviation of a model above each of the `ticks`; `joined` by a line, or not."""

    title: str
    label: str
    ticks: list[str]
    picks: list[Pick]
    joined: bool


def panels_of(comparison: Comparison) -> list[Panel]:
    """Share the conditions out; at least one panel."""
    by_scale: dict[float, list[int]] = {}
    others: list[int] = []
    for index, condition in enumerate(comparison.conditions):
        if isinstance(condition, BatchNeighbours):
            by_scale.setdefault(condition.scale, []).append(index)
        else:
            others.append(index)
    panels = [_company(comparison, scale, indices) for scale, indices in by_scale.items()]
    ticks, picks = [_tick(comparison.conditions[index]) for index in others], [_pick(index) for index in others]
    twins = [model for model in comparison.models if model.deviation_from_twin is not None]
    if twins:
        of_batch_norm = all(model.norm.startswith("batch") for model in twins)
        ticks.append("against\nrunning\nstatistics" if of_batch_norm else "against\nno control")
        picks.append(lambda model: model.deviation_from_twin)
    if ticks:
        panels.append(Panel(title="in a batch of one", label="", ticks=ticks, picks=picks, joined=False))
    return panels


def _company(comparison: Comparison, scale: float, indices: list[int]) -> Panel:
    title = "mates of zeros" if scale == 0 else "ordinary neighbours (×1)" if scale == 1 else f"mates ×{scale:g}"
    return Panel(
        title=title,
        label="mates in the batch",
        ticks=[_tick(comparison.conditions[index]) for index in indices],
        picks=[_pick(index) for index in indices],
        joined=True,
    )


def _pick(index: int) -> Pick:
    return lambda model: model.outcomes[index].deviation


def _tick(condition: Condition) -> str:
    match condition:
        case BatchNeighbours(count=count):
            return str(count)
        case Padded(frames=frames):
            return f"padded\nto {frames}"
        case Chunked(frames=frames):
            return f"chunks\nof {frames}"
