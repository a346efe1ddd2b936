"""The text of a comparison: a table with a column per model, or one JSON object."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from soloist.client.comparison import BatchNeighbours, Chunked, Padded
from soloist.json_text import json_text
from soloist.text_table import text_table

if TYPE_CHECKING:
    from soloist.client import Comparison, Condition, Deviation, ModelComparison, Outcome

_SAME = "same bits"
_KINDS: dict[type, str] = {BatchNeighbours: "neighbours", Padded: "padded", Chunked: "chunked"}


def show(comparison: Comparison) -> None:
    """Print a table, then a line per model that summarises it."""
    models = comparison.models
    rows = [["", *(f"{model.norm}{', control' if model.control else ''}" for model in models)]]
    rows += [["alone", *(_class(model.alone) for model in models)]]
    for index, condition in enumerate(comparison.conditions):
        rows += [[describe(condition), *(_cell(model.outcomes[index]) for model in models)]]
    click.echo(text_table(["", *(model.model for model in models)], rows, gap=3))
    frames = f"all {comparison.frame_count} frames" if comparison.frame_count > 1 else "the one frame"
    click.echo(f"\nA cell shows how far the outputs at {frames} are from those alone; → is another class.")
    for model in models:
        click.echo(f"{model.model}: {_summary(model)}")


def as_object(comparison: Comparison) -> str:
    """Return one JSON object; numbers that are not finite are null."""
    return json_text(_plain(comparison))


def describe(condition: Condition) -> str:
    """Return a condition in a few words."""
    match condition:
        case BatchNeighbours(count=count, scale=scale):
            return f"{count} neighbour{'s' if count > 1 else ''} ×{scale:g}"
        case Padded(frames=frames):
            return f"padded to {frames}"
        case Chunked(frames=frames):
            return f"chunks of {frames}"


def _class(outcome: Outcome) -> str:
    return "" if outcome.label is None else f"{outcome.label}  {outcome.confidence:.4f}"


def _cell(outcome: Outcome) -> str:
    if outcome.deviation is None:
        return "not run"
    return _distance(outcome.deviation, outcome.label)


def _distance(deviation: Deviation, label: str | None) -> str:
    if deviation.same_bits:
        return _SAME
    changed = f"  → {label}" if deviation.class_changed else ""
    return f"{deviation.max_abs_difference:.1e}, {deviation.max_ulp:.1e} ULP{changed}"


def _summary(model: ModelComparison) -> str:
    run = [outcome.deviation for outcome in model.outcomes if outcome.deviation is not None]
    same, changed = sum(each.same_bits for each in run), sum(each.class_changed for each in run)
    text = f"the same bits under {same} of {len(run)} conditions"
    if changed:
        text += f", another class under {changed}"
    for cause in dict.fromkeys(outcome.not_run for outcome in model.outcomes if outcome.not_run):
        text += f"; not run where {cause}"
    if model.twin is not None and model.deviation_from_twin is not None:
        text += f"; alone, from {model.twin}: {_distance(model.deviation_from_twin, model.alone.label)}"
    return text


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if dataclasses.is_dataclass(value):
        kind = {"kind": _KINDS[type(value)]} if type(value) in _KINDS else {}
        return kind | {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    return value
