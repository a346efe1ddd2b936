"""What running statistics cost in answers: claim 15.

The training-inference discrepancy (TID) of a layer, after Wang et al. 2022: mean TID = mean |mu_run - mu_B| / sigma_B,
variance TID = mean |sigma_run / sigma_B - 1|, over the features and over batches.

Shape suffixes: B batch, T time, C features.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import cast

import numpy as np
import torch
from torch import Tensor

from claims import statistics
from claims.chart import Chart, Series
from claims.claim import Claim, Measured
from claims.onnx_graph import graph_of
from claims.trained import TrainingRun, training_run
from claims.trial import Trial
from claims.verdict import Control, Figure, Judgement, Verdict
from export.accuracy import measure
from models.data import Split, load
from models.defaults import configuration
from models.moments import frame_moments
from models.norm import BatchNorm
from models.training import Checkpoint
from models.training.batches import collate
from models.training.observation import observed
from models.zoo import SequenceModel
from service.engine.graph import Graph
from service.engine.runner import Row, Runner

_TASKS = ("digits", "vowels")
_BATCH = 32
_MATTERS = 1.0  # points of accuracy
_SHIFT = 0.5  # gain of the control's frames
_AVERAGES, _PRECISE, _CURRENT = "averages", "precise", "current"


def _needs(seed: int, quick: bool) -> Sequence[TrainingRun]:
    return [training_run(task, configuration(f"{task}-tcn-batch")[2], seed, quick=quick) for task in _TASKS]


def _measure(trial: Trial) -> Measured:
    runs = _needs(trial.seed, trial.quick)
    return {run.task: _of_task(trial.trained(run).checkpoint, run.task, trial) for run in runs}


def _of_task(checkpoint: Checkpoint, task: str, trial: Trial) -> Measured:
    dataset = load(task)
    versions = {_AVERAGES: _with_averages(checkpoint), _PRECISE: checkpoint}
    graphs = {name: graph_of(version.model()) for name, version in versions.items()}
    current = graph_of(checkpoint.served_as("batch_current").model())
    shifted = dataclasses.replace(dataset.test, sequences=[frames * _SHIFT for frames in dataset.test.sequences])
    order = np.random.default_rng(trial.seed).permutation(len(dataset.test))
    seen = dataset.train.select(np.random.default_rng(trial.seed).permutation(len(dataset.train))[: len(order)])
    return {
        "accuracy": {
            **{name: measure(graph, dataset.test).ratio for name, graph in graphs.items()},
            _CURRENT: _in_batches(current, dataset.test.select(order)),
        },
        "shifted": {
            _PRECISE: measure(graphs[_PRECISE], shifted).ratio,
            _CURRENT: _in_batches(current, shifted.select(order)),
        },
        "tid": {
            name: {
                "seen": _discrepancies(version.model(), seen),
                "held_out": _discrepancies(version.model(), dataset.test.select(order)),
            }
            for name, version in versions.items()
        },
    }


def _with_averages(checkpoint: Checkpoint) -> Checkpoint:
    """Return the checkpoint with the moving averages of training, in place of precise statistics."""
    averages = {
        f"{name}.{buffer}": moments
        for name, each in checkpoint.statistics.items()
        for buffer, moments in (("running_mean", each.ema_mean), ("running_var", each.ema_variance))
    }
    return dataclasses.replace(checkpoint, weights={**checkpoint.weights, **averages}, statistics={})


def _in_batches(graph: Graph, split: Split) -> float:
    """Return the accuracy where the sequences of a split come in batches, in order, and none is small."""
    runner, right = Runner(graph), 0
    for chosen in np.array_split(np.arange(len(split)), max(len(split) // _BATCH, 1)):
        rows = [Row(frames=split.sequences[index], states=runner.initial_states()) for index in chosen]
        classes = np.array([result.outputs[-1].argmax() for result in runner.run_rows(rows)])
        right += int((classes == split.labels[chosen]).sum())
    return right / len(split)


def _discrepancies(model: SequenceModel, split: Split) -> dict[str, list[float]]:
    """Return mean and variance TID of each BatchNorm, in the order of the forward pass."""
    mean: dict[str, list[float]] = {}
    variance: dict[str, list[float]] = {}

    def observe(name: str, x_BTC: Tensor, valid_BT: Tensor) -> None:
        norm = cast("BatchNorm", model.get_submodule(name))
        mean_C, var_C = frame_moments(x_BTC, valid_BT)
        deviation_C = (var_C + norm.eps).sqrt()
        running_C = (norm.running_var + norm.eps).sqrt()
        mean.setdefault(name, []).append(float(((norm.running_mean - mean_C).abs() / deviation_C).mean()))
        variance.setdefault(name, []).append(float((running_C / deviation_C - 1).abs().mean()))

    with torch.no_grad(), observed(model, observe):
        for chosen in np.array_split(np.arange(len(split)), max(len(split) // _BATCH, 1)):
            batch = collate([split.sequences[index] for index in chosen], split.labels[chosen])
            model(batch.x, batch.length, model.initial_state(len(chosen)))
    return {
        "mean": [float(np.mean(values)) for values in mean.values()],
        "variance": [float(np.mean(values)) for values in variance.values()],
    }


def _judge(measured: Sequence[Measured]) -> Judgement:
    bias = {task: _gap(measured, f"bias_{task}", task, _CURRENT, _AVERAGES) for task in _TASKS}
    above = [statistics.above(figure, _MATTERS) for figure in bias.values()]
    if all(above):
        verdict, reason = Verdict.SUPPORTED, "supported"
    elif all(statistics.below(figure, _MATTERS) for figure in bias.values()):
        verdict, reason = Verdict.REFUTED, "refuted"
    elif any(above):
        verdict, reason = Verdict.DEPENDS, "depends"
    else:
        verdict, reason = Verdict.NOT_SHOWN, "not_shown"
    shifted = _gap(measured, "shifted", _TASKS[0], _CURRENT, _PRECISE, of="shifted")
    precise = [_gap(measured, f"precise_{task}", task, _PRECISE, _AVERAGES) for task in _TASKS]
    return Judgement(
        verdict=verdict,
        reason=reason,
        key=bias[_TASKS[0]],
        control=Control(figure=shifted, held=statistics.above(shifted, _MATTERS)),
        figures=[bias[_TASKS[1]], *precise, *_tid(measured)],
        chart=_chart(measured),
    )


def _gap(
    measured: Sequence[Measured], name: str, task: str, first: str, second: str, *, of: str = "accuracy"
) -> Figure:
    one, other = ([each[task][of][version] for each in measured] for version in (first, second))
    return statistics.difference(name, one, other)


def _tid(measured: Sequence[Measured]) -> list[Figure]:
    """Return the discrepancies of digits' held-out batches, on average over layers."""
    return [
        statistics.mean(f"tid_{kind}_{version}", [_layers(each, version, "held_out", kind).mean() for each in measured])
        for kind in ("mean", "variance")
        for version in (_AVERAGES, _PRECISE)
    ]


def _layers(each: Mapping[str, Measured], version: str, split: str, kind: str) -> np.ndarray:
    return np.array(each[_TASKS[0]]["tid"][version][split][kind])


def _chart(measured: Sequence[Measured]) -> Chart:
    series = [
        Series(
            name=f"{version}, {split}",
            y=np.mean([_layers(each, version, split, "mean") for each in measured], axis=0).tolist(),
        )
        for version in (_AVERAGES, _PRECISE)
        for split in ("seen", "held_out")
    ]
    layers = [f"{index + 1}" for index in range(len(series[0].y))]
    return Chart(x_label="BatchNorm layer", y_label="mean TID, deviations", x=layers, series=series, kind="bars")


CLAIMS: tuple[Claim, ...] = (Claim(number=15, measure=_measure, judge=_judge, needs=_needs),)
