"""BatchNorm on sequences of unequal length: claim 10."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from claims import statistics
from claims.claim import Claim, Measured
from claims.experiments.padding.padded_statistics import with_padding
from claims.onnx_graph import graph_of
from claims.trained import TrainingRun, training_run
from claims.trial import Trial
from claims.verdict import Control, Figure, Judgement, Verdict
from export.accuracy import answers, measure
from models.data import Split, load
from models.defaults import configuration
from service.engine.graph import Graph
from service.engine.runner import Row, Runner

_TASK = "digits"
_NORMS = ("batch", "layer")
_BATCH = 32
_CHANCE = 0.1
_MATTERS = 1.0  # points of accuracy
_CONTROL_SHARE = 0.75  # of padding: about what padding to the longest sequence makes


def _needs(seed: int, quick: bool) -> Sequence[TrainingRun]:
    return [training_run(_TASK, configuration(f"{_TASK}-tcn-{norm}")[2], seed, quick=quick) for norm in _NORMS]


def _measure(trial: Trial) -> Measured:
    test = load(_TASK).test
    batch, layer = (trial.trained(run) for run in _needs(trial.seed, trial.quick))
    graph = graph_of(batch.checkpoint.model())
    train = _needs(trial.seed, trial.quick)[0].data().train
    wrong = with_padding(batch.checkpoint, train, _CONTROL_SHARE, masked=False)
    return {
        "batch": measure(graph, test).ratio,
        "layer": measure(graph_of(layer.checkpoint.model()), test).ratio,
        "padding_counted": measure(graph_of(wrong.model()), test).ratio,
        "other_answers": _other_answers(graph, test, trial.seed),
        "finite": bool(np.isfinite(batch.losses).all()),
        "lengths": [min(map(len, test.sequences)), max(map(len, test.sequences))],
    }


def _other_answers(graph: Graph, split: Split, seed: int) -> int:
    """Return how many answers have other bits in batches of unequal lengths than alone."""
    runner, alone = Runner(graph), answers(graph, split)
    order = np.random.default_rng(seed).permutation(len(split))
    other = 0
    for chosen in np.array_split(order, max(len(split) // _BATCH, 1)):
        rows = [Row(frames=split.sequences[index], states=runner.initial_states()) for index in chosen]
        found = np.stack([result.outputs[-1] for result in runner.run_rows(rows)])
        other += int((found != alone[chosen]).any(axis=1).sum())
    return other


def _judge(measured: Sequence[Measured]) -> Judgement:
    batch, layer = ([each[norm] for each in measured] for norm in _NORMS)
    gap, level = statistics.difference("gap", batch, layer), statistics.mean("accuracy", batch)
    other = sum(each["other_answers"] for each in measured)
    works = all(each["finite"] for each in measured) and not other and not statistics.below(level, 2 * _CHANCE)
    if not works:
        verdict, reason = Verdict.SUPPORTED, "supported"
    elif statistics.above(gap, -_MATTERS):
        verdict, reason = Verdict.REFUTED, "refuted"
    elif statistics.below(gap, -_MATTERS):
        verdict, reason = Verdict.DEPENDS, "depends"
    else:
        verdict, reason = Verdict.NOT_SHOWN, "not_shown"
    counted = statistics.difference("counted", batch, [each["padding_counted"] for each in measured])
    shortest, longest = measured[0]["lengths"]
    return Judgement(
        verdict=verdict,
        reason=reason,
        key=gap,
        control=Control(figure=counted, held=statistics.above(counted, _MATTERS)),
        figures=[level, Figure(name="other_answers", value=other)],
        values={"shortest": shortest, "longest": longest},
    )


CLAIM = Claim(number=10, measure=_measure, judge=_judge, needs=_needs)
