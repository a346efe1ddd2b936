"""The printing of answers: lines for people, or one JSON object per line with every float32 in full."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from soloist.json_text import json_text
from soloist.text_table import text_table

if TYPE_CHECKING:
    from soloist.client import ChunkResult, ModelStatus, Prediction
    from soloist.client.frames import Array


def show_prediction(prediction: Prediction, *, every_frame: bool, as_json: bool) -> None:
    """Print the answer to a whole sequence; with `every_frame` its outputs are those of every frame."""
    if as_json:
        click.echo(json_text(_fields(prediction)))
        return
    if every_frame:
        _show_rows(prediction, first_frame=0)
    origin = f"{prediction.model} version {prediction.version}, {prediction.frame_count} frames"
    click.echo(f"{_summary(prediction, every_frame=every_frame)}  ({origin})")


def show_chunk(result: ChunkResult, *, every_frame: bool, as_json: bool) -> None:
    """Print the answer to one chunk, in one line unless the outputs of every frame were requested."""
    if as_json:
        click.echo(json_text(_fields(result) | {"first_frame": result.first_frame}))
        return
    if every_frame:
        _show_rows(result, first_frame=result.first_frame)
    covered = f"{result.first_frame}-{result.first_frame + result.frame_count - 1}"
    click.echo(f"{covered}  {_summary(result, every_frame=every_frame)}")


def show_models(found: Iterable[ModelStatus]) -> None:
    """Print one line per version."""
    rows = [(status.name, status.version, status.state, status.reason) for status in found]
    click.echo(text_table(("MODEL", "VERSION", "STATE", "REASON"), rows))


def _fields(answer: Prediction | ChunkResult) -> dict[str, object]:
    extra = {name: array.tolist() for name, array in answer.extra_outputs.items()}
    return {
        "model": answer.model,
        "version": answer.version,
        "prediction_id": answer.prediction_id,
        "frame_count": answer.frame_count,
        "label": answer.label,
        "index": answer.index,
        "confidence": answer.confidence,
        "outputs": answer.outputs.tolist(),
        **({"extra_outputs": extra} if extra else {}),
    }


def _summary(answer: Prediction | ChunkResult, *, every_frame: bool) -> str:
    if answer.label is not None and answer.confidence is not None:
        return f"{answer.label}  {answer.confidence:.4f}"
    if not answer.outputs.size:
        return "no output"  # a model that needs several frames for an output may have none yet
    return _line(answer.outputs[-1] if every_frame else answer.outputs)


def _show_rows(answer: Prediction | ChunkResult, *, first_frame: int) -> None:
    for frame, row in enumerate(answer.outputs, first_frame):
        click.echo(f"{frame}: {_line(row)}")


def _line(outputs: Array) -> str:
    return " ".join(f"{value:.6g}" for value in outputs.ravel().tolist())
