"""Whether an LSTM with BatchNorm in its recurrence trains: claim 22."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from claims import statistics
from claims.chart import Chart, Series
from claims.claim import Claim, Measured
from claims.experiments.recurrent_batch_norm import unit_gain
from claims.onnx_graph import graph_of
from claims.trained import TrainingRun, training_run
from claims.trial import Trial
from claims.verdict import Control, Judgement, Verdict
from export.accuracy import measure
from models.data import Dataset, load
from models.defaults import DEFAULTS, with_norm
from models.zoo import SequenceModel, build

_TASK = "digits"
_CHANCE = 0.1  # ten digits, as many of each
_UNTRAINED = 2 * _CHANCE  # more than that takes training
_MATTERS = 5.0  # points that a normaliser may cost before one would say that it doesn't do
_PREPARE = f"{unit_gain.__name__}:{unit_gain.prepare.__name__}"
_VERSIONS = {"batch": "batch", "unit_gain": "batch", "layer": "layer", "none": "none"}


def _runs(seed: int, quick: bool) -> dict[str, TrainingRun]:
    return {
        name: training_run(
            _TASK,
            with_norm(DEFAULTS[_TASK, "lstm"], norm),
            seed,
            quick=quick,
            prepare=_PREPARE if name == "unit_gain" else "",
        )
        for name, norm in _VERSIONS.items()
    }


def _needs(seed: int, quick: bool) -> Sequence[TrainingRun]:
    return list(_runs(seed, quick).values())


def _measure(trial: Trial) -> Measured:
    dataset = load(_TASK)
    trained = {name: trial.trained(run) for name, run in _runs(trial.seed, trial.quick).items()}
    torch.manual_seed(trial.seed)
    fresh = build(dataset.spec, "lstm", with_norm(DEFAULTS[_TASK, "lstm"], "batch")).eval()
    return {
        "accuracy": {name: _accuracy(each.checkpoint.model(), dataset) for name, each in trained.items()},
        "untrained": _accuracy(fresh, dataset),
        "losses": {name: each.validation_losses for name, each in trained.items()},
        "finite": {name: bool(np.isfinite(each.losses).all()) for name, each in trained.items()},
    }


def _accuracy(model: SequenceModel, dataset: Dataset) -> float:
    return measure(graph_of(model), dataset.test).ratio


def _judge(measured: Sequence[Measured]) -> Judgement:
    accuracy = {name: [each["accuracy"][name] for each in measured] for name in _VERSIONS}
    level = statistics.mean("accuracy", accuracy["batch"])
    gap = statistics.difference("gap", accuracy["batch"], accuracy["none"])
    diverged = sum(not each["finite"]["batch"] for each in measured)
    if diverged or statistics.below(level, _UNTRAINED):
        verdict, reason = Verdict.SUPPORTED, "supported"
    elif statistics.above(gap, -_MATTERS):
        verdict, reason = Verdict.REFUTED, "refuted"
    elif statistics.below(gap, -_MATTERS):
        verdict, reason = Verdict.DEPENDS, "depends"
    else:
        verdict, reason = Verdict.NOT_SHOWN, "not_shown"
    untrained = statistics.mean("untrained", [each["untrained"] for each in measured])
    others = [
        statistics.difference(f"{name}_gap", accuracy["batch"], accuracy[name]) for name in ("unit_gain", "layer")
    ]
    return Judgement(
        verdict=verdict,
        reason=reason,
        key=gap,
        control=Control(figure=untrained, held=statistics.below(untrained, _UNTRAINED)),
        figures=[level, *others],
        chart=_chart(measured),
        values={"diverged": float(diverged)},
    )


def _chart(measured: Sequence[Measured]) -> Chart:
    # A run that was stopped early has fewer epochs; all are drawn as far as every one goes.
    epochs = min(len(losses) for each in measured for losses in each["losses"].values())
    series = [
        Series(name=name, y=np.mean([each["losses"][name][:epochs] for each in measured], axis=0).tolist())
        for name in _VERSIONS
    ]
    return Chart(x_label="epoch", y_label="validation loss", x=list(range(1, epochs + 1)), series=series)


CLAIM = Claim(number=22, measure=_measure, judge=_judge, needs=_needs)
