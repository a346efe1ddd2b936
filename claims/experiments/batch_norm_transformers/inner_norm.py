"""Claim 20: a BatchNorm between the two linear maps of the feed-forward network fixes it (Yao et al. 2021).

Shape suffixes: B batch, T time, E model width.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from claims import statistics
from claims.chart import Chart, Series
from claims.claim import Claim, Measured
from claims.experiments.batch_norm_transformers import grid
from claims.trained import Trained
from claims.trial import Trial
from claims.verdict import Control, Judgement, Verdict
from models.data import Split, load
from models.feed_forward import FeedForward
from models.training.evaluation import predict


def _measure(trial: Trial) -> Measured:
    held_out = load(grid.TASK).test
    control = trial.trained(grid.CONTROL.run(grid.LAYER, trial.seed, quick=trial.quick))
    classes = len(control.checkpoint.task.labels)
    figures: Measured = {"control": grid.diverged(control, classes)}
    for norm in (grid.BATCH, grid.INNER):
        figures[norm] = {
            cell.name: {
                "diverged": grid.diverged(run, classes),
                "validation_accuracy": run.checkpoint.validation_accuracy,
                "rms": feed_forward_rms(run, held_out),
            }
            for cell, run in grid.trained(trial, norm)
        }
    return figures


def feed_forward_rms(run: Trained, split: Split) -> float:
    """Return the root mean square of what feed-forward networks add, in the layer where it is largest."""
    model = run.checkpoint.model()
    squares: dict[str, list[float]] = {}

    def hook(name: str) -> None:
        def observe(_module: nn.Module, arguments: tuple[Tensor, ...], y_BTE: Tensor) -> None:
            valid_BT = arguments[1]
            squares.setdefault(name, []).append(float(y_BTE[valid_BT].double().square().mean()))

        model.get_submodule(name).register_forward_hook(observe)

    for name, module in model.named_modules():
        if isinstance(module, FeedForward):
            hook(name)
    with torch.no_grad():
        predict(model, split)
    return float(max(np.sqrt(np.mean(values)) for values in squares.values()))


def _judge(measured: Sequence[Measured]) -> Judgement:
    rates = {norm: _means(measured, norm, "diverged") for norm in (grid.BATCH, grid.INNER)}
    fewer = statistics.difference("fewer", rates[grid.BATCH], rates[grid.INNER])
    accuracy = statistics.difference(
        "accuracy",
        _means(measured, grid.INNER, "validation_accuracy"),
        _means(measured, grid.BATCH, "validation_accuracy"),
    )
    rms = {norm: statistics.mean(f"rms_{norm}", _means(measured, norm, "rms")) for norm in (grid.BATCH, grid.INNER)}
    if not any(rates[grid.BATCH]):
        verdict, reason = Verdict.NOT_SHOWN, "nothing_to_fix"
    elif statistics.above(fewer, 0.0):
        fixed = not any(rates[grid.INNER])
        verdict, reason = (Verdict.SUPPORTED, "supported") if fixed else (Verdict.DEPENDS, "depends")
    else:
        verdict, reason = Verdict.REFUTED, "refuted"
    control = statistics.mean("absurd_rate", [float(each["control"]) for each in measured])
    return Judgement(
        verdict=verdict,
        reason=reason,
        key=fewer,
        control=Control(figure=control, held=control.value == 1.0),
        figures=[accuracy, rms[grid.BATCH], rms[grid.INNER]],
        chart=_chart(measured),
    )


def _means(measured: Sequence[Measured], norm: str, what: str) -> list[float]:
    return [float(np.mean([cell[what] for cell in each[norm].values()])) for each in measured]


def _chart(measured: Sequence[Measured]) -> Chart:
    names = list(measured[0][grid.BATCH])
    series = [
        Series(name=norm, y=[float(np.mean([each[norm][name]["rms"] for each in measured])) for name in names])
        for norm in (grid.BATCH, grid.INNER)
    ]
    return Chart(x_label="", y_label="feed-forward RMS", x=names, series=series, kind="bars", log_y=True)


CLAIM = Claim(number=20, measure=_measure, judge=_judge, needs=grid.runs)
