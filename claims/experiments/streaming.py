"""The four normalisers, and which of them can answer while a sequence is still coming: claim 33."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from claims import statistics
from claims.chart import Chart, Series
from claims.claim import Claim, Measured
from claims.experiments.batch_independence.answers import Array, Distance, distance, draw
from claims.onnx_graph import graph_of
from claims.trained import TrainingRun, training_run
from claims.trial import Trial
from claims.verdict import Control, Judgement, Verdict
from export.accuracy import measure as accuracy_of
from models.data import load
from models.zoo import configuration
from service.engine.graph import Graph

_TASK = "vowels"
_FOUR = ("batch", "layer", "instance", "group")
_SEES_ALL = "encoder-layer"  # the control: whatever its normaliser, it reads the whole sequence


def _runs(seed: int, quick: bool) -> dict[str, TrainingRun]:
    names = [*(f"tcn-{norm}" for norm in _FOUR), _SEES_ALL]
    configs = {name: configuration(f"{_TASK}-{name}")[2] for name in names}
    return {name: training_run(_TASK, config, seed, quick=quick) for name, config in configs.items()}


def _measure(trial: Trial) -> Measured:
    data = load(_TASK)
    asked = draw(data.test, trial.count(100, 20), trial.seed)
    figures: Measured = {"guess": float(np.bincount(data.test.labels).max() / len(data.test))}
    for name, run in _runs(trial.seed, trial.quick).items():
        graph = graph_of(trial.trained(run).checkpoint.model())
        figures[name] = {"accuracy": accuracy_of(graph, data.test).ratio, **_of_prefixes(graph, asked)}
    return figures


def _of_prefixes(graph: Graph, sequences: Sequence[Array]) -> Distance:
    """Return how far the outputs of the first half of a sequence are from those when the second half is known."""
    whole = [_outputs(graph, frames)[: len(frames) // 2] for frames in sequences]
    prefix = [_outputs(graph, frames[: len(frames) // 2]) for frames in sequences]
    return distance(whole, prefix)


def _outputs(graph: Graph, frames: Array) -> Array:
    outputs, _ = graph.run(frames[None], [len(frames)], graph.zero_states(1))
    found: Array = outputs[0]
    return found


def _judge(measured: Sequence[Measured]) -> Judgement:
    names = {norm: f"tcn-{norm}" for norm in _FOUR}
    guess = [each["guess"] for each in measured]
    above_guess = {
        norm: statistics.difference(f"above_{norm}", [each[name]["accuracy"] for each in measured], guess)
        for norm, name in names.items()
    }
    works = [norm for norm, figure in above_guess.items() if statistics.above(figure, 0.0)]
    streams = [norm for norm, name in names.items() if all(each[name]["differing"] == 0 for each in measured)]
    if len(works) < len(_FOUR):
        verdict, reason = Verdict.REFUTED, "refuted"
    else:
        all_stream = len(streams) == len(_FOUR)
        verdict, reason = (Verdict.SUPPORTED, "supported") if all_stream else (Verdict.DEPENDS, "depends")
    moved = {norm: statistics.mean(f"moved_{norm}", _shares(measured, name)) for norm, name in names.items()}
    control = statistics.mean("sees_all", _shares(measured, _SEES_ALL))
    series = Series(name="share", y=[moved[norm].value for norm in _FOUR])
    return Judgement(
        verdict=verdict,
        reason=reason,
        key=moved["instance"],
        control=Control(figure=control, held=statistics.above(control, 0.0)),
        figures=[*above_guess.values(), *(figure for norm, figure in moved.items() if norm != "instance")],
        chart=Chart(x_label="", y_label="outputs that change", x=_FOUR, series=[series], kind="bars", percent=True),
        values={
            "streams": ", ".join(streams) or "–",
            "others": ", ".join(norm for norm in _FOUR if norm not in streams) or "–",
            "failed": ", ".join(norm for norm in _FOUR if norm not in works) or "–",
        },
    )


def _shares(measured: Sequence[Measured], name: str) -> list[float]:
    return [each[name]["differing"] / each[name]["compared"] for each in measured]


CLAIMS = (
    Claim(number=33, measure=_measure, judge=_judge, needs=lambda seed, quick: list(_runs(seed, quick).values())),
)
