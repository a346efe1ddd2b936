"""Which normaliser is better where both can be used: claims 9 and 23.

Every architecture on every data set, trained by its recipe with either normaliser, pair by pair of seeds, and measured
on held-out sequences as they are served.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from claims import statistics
from claims.chart import Chart, Series
from claims.claim import Claim, Measured
from claims.onnx_graph import graph_of
from claims.trained import TrainingRun, training_run
from claims.trial import Trial
from claims.verdict import Control, Figure, Judgement, Verdict
from export.accuracy import measure as accuracy_of
from models.data import load
from models.zoo import configuration

_TASKS, _QUICK_TASKS = ("vowels", "digits", "languages"), ("vowels",)
_ARCHITECTURES = ("lstm", "tcn", "transformer")
_LAYER, _BATCH = "layer", "batch"
_SHORT_EPOCHS = 2  # of the control: what was trained that short has to be worse


def _cells(quick: bool) -> list[str]:
    return [f"{task}-{architecture}" for task in (_QUICK_TASKS if quick else _TASKS) for architecture in _ARCHITECTURES]


def _run(name: str, seed: int, quick: bool) -> TrainingRun:
    task, _, config = configuration(name)
    return training_run(task, config, seed, quick=quick)


def _short(seed: int) -> TrainingRun:
    task, _, config = configuration("vowels-tcn-layer")
    return training_run(task, config, seed, quick=False, epochs=_SHORT_EPOCHS)


def _needs(seed: int, quick: bool) -> Sequence[TrainingRun]:
    names = [f"{cell}-{norm}" for cell in _cells(quick) for norm in (_LAYER, _BATCH)]
    return [_short(seed), *(_run(name, seed, quick) for name in names)]


def _measure(trial: Trial) -> Measured:
    figures: Measured = {
        norm: {cell: _held_out(trial, _run(f"{cell}-{norm}", trial.seed, trial.quick)) for cell in _cells(trial.quick)}
        for norm in (_LAYER, _BATCH)
    }
    return {**figures, "short": _held_out(trial, _short(trial.seed))}


def _held_out(trial: Trial, run: TrainingRun) -> float:
    return accuracy_of(graph_of(trial.trained(run).checkpoint.model()), load(run.task).test).ratio


def _differences(measured: Sequence[Measured]) -> dict[str, Figure]:
    """Return BatchNorm's accuracy − LayerNorm's in points, cell by cell."""
    return {
        cell: statistics.difference(
            cell, [each[_BATCH][cell] for each in measured], [each[_LAYER][cell] for each in measured]
        )
        for cell in measured[0][_LAYER]
    }


def _control(measured: Sequence[Measured]) -> Control:
    full = [each[_LAYER]["vowels-tcn"] for each in measured]
    short = statistics.difference("short", [each["short"] for each in measured], full)
    return Control(figure=short, held=statistics.below(short, 0.0))


def _chart(differences: dict[str, Figure]) -> Chart:
    figures = list(differences.values())
    series = Series(
        name="difference",
        y=[figure.value for figure in figures],
        low=[figure.value if figure.low is None else figure.low for figure in figures],
        high=[figure.value if figure.high is None else figure.high for figure in figures],
    )
    return Chart(x_label="", y_label="points", x=list(differences), series=[series], kind="bars")


def _judge_usually(measured: Sequence[Measured]) -> Judgement:
    differences = _differences(measured)
    ahead = [cell for cell, figure in differences.items() if statistics.above(figure, 0.0)]
    behind = [cell for cell, figure in differences.items() if statistics.below(figure, 0.0)]
    if 2 * len(ahead) > len(differences):
        verdict, reason = Verdict.SUPPORTED, "supported"
    elif len(behind) >= len(ahead):
        verdict, reason = Verdict.REFUTED, "refuted"
    else:
        verdict, reason = Verdict.DEPENDS, "depends"
    means = [float(np.mean(list(each[_BATCH].values())) - np.mean(list(each[_LAYER].values()))) for each in measured]
    return Judgement(
        verdict=verdict,
        reason=reason,
        key=statistics.difference("overall", means, np.zeros(len(means))),
        control=_control(measured),
        figures=list(differences.values()),
        chart=_chart(differences),
        values={
            "ahead": len(ahead),
            "behind": len(behind),
            "of": len(differences),
            "where_ahead": ", ".join(ahead) or "–",
            "where_behind": ", ".join(behind) or "–",
        },
    )


def _of_architecture(measured: Sequence[Measured], architecture: str) -> Figure:
    means = {
        norm: [
            float(np.mean([value for cell, value in each[norm].items() if cell.endswith(f"-{architecture}")]))
            for each in measured
        ]
        for norm in (_LAYER, _BATCH)
    }
    return statistics.difference(architecture, means[_BATCH], means[_LAYER])


def _judge_convolutions(measured: Sequence[Measured]) -> Judgement:
    by_architecture = {name: _of_architecture(measured, name) for name in _ARCHITECTURES}
    tcn, lstm = by_architecture["tcn"], by_architecture["lstm"]
    if not statistics.above(tcn, 0.0):
        verdict, reason = Verdict.REFUTED, "refuted"
    elif statistics.above(lstm, 0.0):
        verdict, reason = Verdict.DEPENDS, "depends"
    else:
        verdict, reason = Verdict.SUPPORTED, "supported"
    return Judgement(
        verdict=verdict,
        reason=reason,
        key=tcn,
        control=_control(measured),
        figures=[lstm, by_architecture["transformer"]],
        chart=_chart(by_architecture),
    )


CLAIMS = (
    Claim(number=9, measure=_measure, judge=_judge_usually, needs=_needs),
    Claim(number=23, measure=_measure, judge=_judge_convolutions, needs=_needs),
)
