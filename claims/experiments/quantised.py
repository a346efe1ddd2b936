"""Quantised LSTMs, and what a normaliser is good for in them: claim 28."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from claims import statistics
from claims.chart import Chart, Series
from claims.claim import Claim, Measured
from claims.experiments.batch_independence.answers import (
    Array,
    Distance,
    alone,
    distance,
    draw,
    every_other_louder,
    together,
    total,
)
from claims.served import Repository, at_once, one_by_one
from claims.trained import TrainingRun, training_run
from claims.trial import Trial
from claims.verdict import Control, Figure, Judgement, Verdict
from export.accuracy import measure as accuracy_of
from models.data import load
from models.zoo import configuration
from service.engine.graph import Graph
from service.engine.runner import Runner

_NORMS = ("none", "layer", "batch")
_TASKS, _QUICK_TASKS = ("vowels", "digits"), ("vowels",)
_FLOAT, _STATIC, _DYNAMIC = "float32", "static", "dynamic"
_PATHS = ("engine", "grpc")
_LARGE = 1.0  # points of accuracy that count as a loss
_LOUD = np.float32(10)
_BATCH = 16


def _runs(seed: int, quick: bool) -> dict[str, TrainingRun]:
    names = [f"{task}-lstm-{norm}" for task in (_QUICK_TASKS if quick else _TASKS) for norm in _NORMS]
    configurations = {name: configuration(name) for name in names}
    return {name: training_run(task, config, seed, quick=quick) for name, (task, _, config) in configurations.items()}


def _measure(trial: Trial) -> Measured:
    repository = Repository(folder=trial.scratch / "models")
    figures: Measured = {"accuracy": {}, "engine": {}, "grpc": {}}
    asked: dict[str, list[Array]] = {}
    for name, run in _runs(trial.seed, trial.quick).items():
        data = load(run.task)
        forms = {_FLOAT: repository.add(name, trial.trained(run).checkpoint, run.data())}
        forms[_STATIC] = repository.quantise(name, f"{name}-static", "static", run.data())
        forms[_DYNAMIC] = repository.quantise(name, f"{name}-dynamic", "dynamic", run.data())
        figures["accuracy"][name] = {form: accuracy_of(graph, data.test).ratio for form, graph in forms.items()}
        asked[name] = draw(data.test, trial.count(128, 32), trial.seed)
        figures["engine"][name] = {form: _with_mates(forms[form], asked[name]) for form in (_STATIC, _DYNAMIC)}
    with repository.server() as target:
        for name, sequences in asked.items():
            figures["grpc"][name] = {
                form: _over_grpc(target, f"{name}-{form}", sequences) for form in (_STATIC, _DYNAMIC)
            }
    return figures


def _with_mates(graph: Graph, sequences: Sequence[Array]) -> Distance:
    """Return the distance of answers in batches, every other sequence louder, from those alone."""
    runner, loud = Runner(graph), every_other_louder(sequences, _LOUD)
    found = [each for first in range(0, len(loud), _BATCH) for each in together(runner, loud[first : first + _BATCH])]
    return distance(alone(runner, sequences)[::2], found[::2])


def _over_grpc(target: str, name: str, sequences: Sequence[Array]) -> Distance:
    quiet, loud = one_by_one(target, name, sequences), at_once(target, name, every_other_louder(sequences, _LOUD))
    return distance(quiet.outputs[::2], loud.outputs[::2])


def _judge(measured: Sequence[Measured]) -> Judgement:
    lost = {norm: [_lost(each, norm, _STATIC) for each in measured] for norm in _NORMS}
    losses = {norm: statistics.mean(f"lost_{norm}", lost[norm], "points") for norm in _NORMS}
    saved = {
        norm: statistics.mean(f"saved_{norm}", np.subtract(lost["none"], lost[norm]), "points")
        for norm in ("layer", "batch")
    }
    helps = [norm for norm, figure in saved.items() if statistics.above(figure, 0.0)]
    if not statistics.above(losses["none"], _LARGE):
        verdict, reason = Verdict.NOT_SHOWN, "nothing_lost"
    elif len(helps) == len(saved):
        verdict, reason = Verdict.SUPPORTED, "supported"
    else:
        verdict, reason = (Verdict.DEPENDS, "depends") if helps else (Verdict.REFUTED, "refuted")
    static = {path: _mates(measured, path, _STATIC) for path in _PATHS}
    dynamic = {path: _mates(measured, path, _DYNAMIC) for path in _PATHS}
    shares = [_share(_mates([each], "engine", _DYNAMIC)) for each in measured]
    held = all(each["differing"] > 0 for each in dynamic.values())
    dynamic_lost = [float(np.mean([_lost(each, norm, _DYNAMIC) for norm in _NORMS])) for each in measured]
    return Judgement(
        verdict=verdict,
        reason=reason,
        key=losses["none"],
        control=Control(figure=statistics.mean("dynamic_differing", shares), held=held),
        figures=[
            *(losses[norm] for norm in saved),
            *saved.values(),
            statistics.mean("lost_dynamic", dynamic_lost, "points"),
        ],
        chart=_chart(losses),
        values={
            "static_differing": static["engine"]["differing"] + static["grpc"]["differing"],
            "static_compared": static["engine"]["compared"] + static["grpc"]["compared"],
            "flipped": dynamic["engine"]["flipped"] + dynamic["grpc"]["flipped"],
            "asked": dynamic["engine"]["asked"] + dynamic["grpc"]["asked"],
            "helps": ", ".join(helps),
        },
    )


def _lost(figures: Measured, norm: str, form: str) -> float:
    """Return the points of accuracy that a form loses against float32, mean over tasks."""
    accuracies = [each for name, each in figures["accuracy"].items() if name.endswith(f"-{norm}")]
    return float(np.mean([100 * (each[_FLOAT] - each[form]) for each in accuracies]))


def _mates(measured: Sequence[Measured], path: str, form: str) -> Distance:
    return total([each[form] for figures in measured for each in figures[path].values()])


def _share(found: Distance) -> float:
    return found["differing"] / found["compared"]


def _chart(losses: dict[str, Figure]) -> Chart:
    series = Series(
        name="lost",
        y=[figure.value for figure in losses.values()],
        low=[figure.value if figure.low is None else figure.low for figure in losses.values()],
        high=[figure.value if figure.high is None else figure.high for figure in losses.values()],
    )
    return Chart(x_label="", y_label="points lost, static int8", x=list(losses), series=[series], kind="bars")


CLAIMS = (
    Claim(number=28, measure=_measure, judge=_judge, needs=lambda seed, quick: list(_runs(seed, quick).values())),
)
