"""How fast each normaliser is when it is served: claim 17. Nothing is trained, since weights take no time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
import numpy.typing as npt
import torch

from claims import statistics
from claims.chart import Chart, Series
from claims.claim import Claim, Measured
from claims.onnx_graph import graph_of
from claims.trial import Trial
from claims.verdict import Control, Figure, Judgement, Verdict
from export.cost.stopwatch import Call, in_turns, ratio
from models.config import TCNConfig
from models.data import load
from models.zoo import SequenceModel, build, configuration
from service.engine.graph import Graph

_TASK, _ARCHITECTURES = "digits", ("lstm", "tcn", "transformer")
_LAYER, _FOLDED, _UNFOLDED, _DEEPER = "layer", "batch, folded", "batch, unfolded", "deeper"
_VARIANTS = {"none": "none", _LAYER: "layer", "rms": "rms", "dyt": "dyt", _UNFOLDED: "batch", _FOLDED: "batch"}
_QUICK_VARIANTS = (_LAYER, _UNFOLDED, _FOLDED)
_FASTER = 5.0  # percent of LayerNorm's time that count
_BLOCKS = 2  # the control has so many times as many blocks
_REPEATS = 20


def _measure(trial: Trial) -> Measured:
    sequences = load(_TASK).test.sequences
    frames = sequences[trial.seed % len(sequences)][None]
    figures: Measured = {}
    for architecture in _ARCHITECTURES:
        graphs = {
            variant: graph_of(_fresh(architecture, _VARIANTS[variant], trial.seed), folded=variant != _UNFOLDED)
            for variant in (_QUICK_VARIANTS if trial.quick else _VARIANTS)
        }
        if architecture == "tcn":
            graphs[_DEEPER] = graph_of(_deeper(trial.seed))
        figures[architecture] = _relative(graphs, frames, trial.count(40, 8), trial.seed)
    return figures


def _fresh(architecture: str, norm: str, seed: int) -> SequenceModel:
    _, _, config = configuration(f"{_TASK}-{architecture}-{norm}")
    torch.manual_seed(seed)
    return build(load(_TASK).spec, architecture, config).eval()


def _deeper(seed: int) -> SequenceModel:
    torch.manual_seed(seed)
    return build(load(_TASK).spec, "tcn", TCNConfig(blocks=4 * _BLOCKS)).eval()


def _relative(graphs: Mapping[str, Graph], frames: npt.NDArray[np.float32], rounds: int, seed: int) -> dict[str, float]:
    """Return the median processor time of an answer relative to LayerNorm's of the same round."""
    calls: dict[str, Call] = {name: partial(_answer, graph, frames) for name, graph in graphs.items()}
    seconds = in_turns(calls, rounds=rounds, repeats=_REPEATS, seed=seed)
    return {name: ratio(values, seconds[_LAYER]).median for name, values in seconds.items()}


def _answer(graph: Graph, frames: npt.NDArray[np.float32]) -> None:
    graph.run(frames, [frames.shape[1]], graph.zero_states(1))


def _judge(measured: Sequence[Measured]) -> Judgement:
    faster = {
        (variant, architecture): _saved(measured, variant, architecture)
        for variant in (_FOLDED, _UNFOLDED)
        for architecture in _ARCHITECTURES
    }
    saved = {key for key, figure in faster.items() if statistics.above(figure, _FASTER)}
    folded, unfolded = ({a for v, a in saved if v == variant} for variant in (_FOLDED, _UNFOLDED))
    if len(saved) == len(faster):
        verdict, reason = Verdict.SUPPORTED, "supported"
    elif not saved:
        verdict, reason = Verdict.REFUTED, "refuted"
    else:
        verdict, reason = Verdict.DEPENDS, "depends"
    deeper = statistics.mean("deeper", [each["tcn"][_DEEPER] for each in measured], "×")
    series = [
        Series(name=variant, y=[float(np.mean([each[name][variant] for each in measured])) for name in _ARCHITECTURES])
        for variant in _VARIANTS
        if variant in measured[0]["tcn"]
    ]
    return Judgement(
        verdict=verdict,
        reason=reason,
        key=faster[_FOLDED, "tcn"],
        control=Control(figure=deeper, held=statistics.above(deeper, 1 + _FASTER / 100)),
        figures=[figure for key, figure in faster.items() if key != (_FOLDED, "tcn")],
        chart=Chart(x_label="", y_label="time, LayerNorm = 1", x=_ARCHITECTURES, series=series, kind="bars"),
        values={"folded": ", ".join(sorted(folded)) or "–", "unfolded": ", ".join(sorted(unfolded)) or "–"},
    )


def _saved(measured: Sequence[Measured], variant: str, architecture: str) -> Figure:
    """Return the percent of LayerNorm's time that a variant saves."""
    name = f"{variant.split(', ')[1]}_{architecture}"
    return statistics.mean(name, [100 * (1 - each[architecture][variant]) for each in measured], "%")


CLAIMS = (Claim(number=17, measure=_measure, judge=_judge, alone=True),)
