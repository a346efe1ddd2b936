"""Answers as lines: for people, or one JSON object a line with every float32 in full."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from soloist.json_text import json_text

if TYPE_CHECKING:
    from soloist.client import ChunkResult, Prediction


def show_prediction(prediction: Prediction, *, as_json: bool) -> None:
    """Print the answer to a whole sequence."""
    if as_json:
        click.echo(json_text(_fields(prediction)))
        return
    _show_rows(prediction, first_frame=0)
    origin = f"{prediction.model} version {prediction.version}, {prediction.frame_count} frames"
    click.echo(f"{_said(prediction)}  ({origin})")


def show_chunk(result: ChunkResult, *, as_json: bool) -> None:
    """Print the answer to one chunk; one line, more only when the outputs of every frame were asked for."""
    if as_json:
        click.echo(json_text(_fields(result) | {"first_frame": result.first_frame}))
        return
    _show_rows(result, first_frame=result.first_frame)
    click.echo(f"{result.first_frame}-{result.first_frame + result.frame_count - 1}  {_said(result)}")


def _fields(answer: Prediction | ChunkResult) -> dict[str, object]:
    return {
        "model": answer.model,
        "version": answer.version,
        "prediction_id": answer.prediction_id,
        "frame_count": answer.frame_count,
        "label": answer.label,
        "index": answer.index,
        "confidence": answer.confidence,
        "outputs": answer.outputs.tolist(),
    }


def _said(answer: Prediction | ChunkResult) -> str:
    if answer.label is None or answer.confidence is None:
        return " ".join(f"{value:.6g}" for value in answer.outputs.reshape(-1, answer.outputs.shape[-1])[-1].tolist())
    return f"{answer.label}  {answer.confidence:.4f}"


def _show_rows(answer: Prediction | ChunkResult, *, first_frame: int) -> None:
    if answer.outputs.ndim < 2:
        return
    for frame, row in enumerate(answer.outputs.tolist(), first_frame):
        click.echo(f"{frame}: " + " ".join(f"{value:.6g}" for value in row))
