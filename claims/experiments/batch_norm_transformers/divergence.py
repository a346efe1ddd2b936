"""Claim 19: replacing LayerNorm by BatchNorm in a Transformer often diverges."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from claims import statistics
from claims.chart import Chart, Series
from claims.claim import Claim, Measured
from claims.experiments.batch_norm_transformers import grid
from claims.trial import Trial
from claims.verdict import Control, Judgement, Verdict

_OFTEN = 1 / 3  # share of trainings


def _measure(trial: Trial) -> Measured:
    control = trial.trained(grid.CONTROL.run(grid.LAYER, trial.seed, quick=trial.quick))
    classes = len(control.checkpoint.task.labels)
    figures: Measured = {"control": grid.diverged(control, classes)}
    for norm in (grid.LAYER, grid.BATCH):
        figures[norm] = {
            cell.name: {
                "diverged": grid.diverged(run, classes),
                "losses": [loss if np.isfinite(loss) else None for loss in run.losses],
                "validation_accuracy": run.checkpoint.validation_accuracy,
            }
            for cell, run in grid.trained(trial, norm)
        }
    return figures


def _judge(measured: Sequence[Measured]) -> Judgement:
    rates = {norm: [_rate(each[norm]) for each in measured] for norm in (grid.LAYER, grid.BATCH)}
    more = statistics.difference("more_often", rates[grid.BATCH], rates[grid.LAYER])
    batch, layer = statistics.mean("batch", rates[grid.BATCH]), statistics.mean("layer", rates[grid.LAYER])
    # Where it goes wrong more often than with LayerNorm for every seed.
    where = [
        cell
        for cell in measured[0][grid.BATCH]
        if all(each[grid.BATCH][cell]["diverged"] > each[grid.LAYER][cell]["diverged"] for each in measured)
    ]
    if statistics.above(more, 0.0) and batch.value >= _OFTEN:
        verdict, reason = Verdict.SUPPORTED, "supported"
    elif where:
        verdict, reason = Verdict.DEPENDS, "depends"
    else:
        verdict, reason = Verdict.NOT_SHOWN, "not_shown"
    control = statistics.mean("absurd_rate", [float(each["control"]) for each in measured])
    accuracy = statistics.difference("accuracy", _accuracies(measured, grid.BATCH), _accuracies(measured, grid.LAYER))
    return Judgement(
        verdict=verdict,
        reason=reason,
        key=more,
        control=Control(figure=control, held=control.value == 1.0),
        figures=[batch, layer, accuracy],
        chart=_losses(measured),
        values={"where": "; ".join(where)},
    )


def _rate(cells: dict[str, Measured]) -> float:
    return float(np.mean([cell["diverged"] for cell in cells.values()]))


def _accuracies(measured: Sequence[Measured], norm: str) -> list[float]:
    return [float(np.mean([cell["validation_accuracy"] for cell in each[norm].values()])) for each in measured]


def _losses(measured: Sequence[Measured]) -> Chart:
    """Return the mean training loss by epoch, over seeds, of each normaliser in each place."""
    series = [
        Series(name=f"{norm}, {position}", y=_mean_losses(measured, norm, position))
        for norm in (grid.LAYER, grid.BATCH)
        for position in grid.POSITIONS
    ]
    epochs = len(series[0].y)
    return Chart(x_label="epoch", y_label="training loss", x=list(range(1, epochs + 1)), series=series, log_y=True)


def _mean_losses(measured: Sequence[Measured], norm: str, position: str) -> list[float]:
    curves = [
        np.array([np.nan if loss is None else loss for loss in cell["losses"]])
        for each in measured
        for name, cell in each[norm].items()
        if name.startswith(position)
    ]
    shortest = min(map(len, curves))
    return [float(np.nanmean([curve[epoch] for curve in curves])) for epoch in range(shortest)]


CLAIM = Claim(number=19, measure=_measure, judge=_judge, needs=grid.runs)
