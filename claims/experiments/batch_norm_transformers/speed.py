"""Claim 21: ... and speeds training up by 20 %. Measured twice: a training step, and an answer as it is served."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
import numpy.typing as npt
import torch

from claims import statistics
from claims.chart import Chart, Series
from claims.claim import Claim, Measured
from claims.experiments.batch_norm_transformers.grid import BATCH, INNER, LAYER, TASK
from claims.onnx_graph import graph_of
from claims.trial import Trial
from claims.verdict import Control, Judgement, Verdict
from export.cost.stopwatch import Call, in_turns, ratio
from models.config import EncoderConfig
from models.data import load
from models.training.batches import training_batches
from models.training.objective import step
from models.training.recipes import recipe
from models.zoo import SequenceModel, build
from service.engine.graph import Graph

_CLAIMED = 20.0  # percent that it is said to be faster by
_DEEPER = "deeper"  # the control: LayerNorm, twice as many layers
_NORMS = (LAYER, BATCH, INNER)
_DEPTH, _QUICK_DEPTH = 4, 1
_RATE = 1e-5  # of the steps that are timed: small, so that models stay as they are
_REPEATS = 3


def _measure(trial: Trial) -> Measured:
    data, names = load(TASK), (*_NORMS, _DEEPER)
    settings, rounds = recipe(TASK, "encoder"), trial.count(60, 12)
    depth = trial.count(_DEPTH, _QUICK_DEPTH)
    models = {name: _model(name, depth, trial.seed) for name in names}
    optimizers = {name: torch.optim.AdamW(model.parameters(), lr=_RATE) for name, model in models.items()}
    batch = next(training_batches(data.train, settings.batch, np.random.default_rng(trial.seed)))
    training = {name: partial(step, models[name], batch, settings, optimizers[name]) for name in names}
    figures = {"training": _relative(training, rounds, trial.seed)}
    graphs = {name: graph_of(model.eval()) for name, model in models.items()}
    frames = data.test.sequences[0][None]
    serving = {name: partial(_answer, graph, frames) for name, graph in graphs.items()}
    return {**figures, "serving": _relative(serving, rounds, trial.seed)}


def _model(name: str, depth: int, seed: int) -> SequenceModel:
    torch.manual_seed(seed)
    norm, layers = (LAYER, 2 * depth) if name == _DEEPER else (name, depth)
    return build(load(TASK).spec, "encoder", EncoderConfig(norm=norm, layers=layers))


def _answer(graph: Graph, frames: npt.NDArray[np.float32]) -> None:
    graph.run(frames, [frames.shape[1]], graph.zero_states(1))


def _relative(calls: Mapping[str, Call], rounds: int, seed: int) -> dict[str, float]:
    """Return the median time of each call relative to LayerNorm's of the same round."""
    seconds = in_turns(calls, rounds=rounds, repeats=_REPEATS, seed=seed)
    return {name: ratio(values, seconds[LAYER]).median for name, values in seconds.items()}


def _judge(measured: Sequence[Measured]) -> Judgement:
    faster = {
        phase: statistics.mean(phase, [100 * (1 / each[phase][INNER] - 1) for each in measured], "%")
        for phase in ("training", "serving")
    }
    reached = [phase for phase, figure in faster.items() if statistics.above(figure, _CLAIMED / 2)]
    if len(reached) == len(faster):
        verdict, reason = Verdict.SUPPORTED, "supported"
    else:
        verdict, reason = (Verdict.DEPENDS, "depends") if reached else (Verdict.REFUTED, "refuted")
    deeper = statistics.mean("deeper", [each["training"][_DEEPER] for each in measured], "×")
    phases = list(faster)
    names = [f"{phase} time" for phase in phases]
    series = [
        Series(name=norm, y=[float(np.mean([each[phase][norm] for each in measured])) for phase in phases])
        for norm in _NORMS
    ]
    return Judgement(
        verdict=verdict,
        reason=reason,
        key=faster["training"],
        control=Control(figure=deeper, held=statistics.above(deeper, 1 + _CLAIMED / 100)),
        figures=[faster["serving"]],
        chart=Chart(
            x_label="",
            y_label="time, LayerNorm = 1",
            x=names,
            series=series,
            kind="bars",
        ),
        values={"where": reached[0] if reached else ""},
    )


CLAIM = Claim(number=21, measure=_measure, judge=_judge, alone=True)
