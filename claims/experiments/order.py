"""What stays of an order, and of a variation in time, behind a normaliser: claims 8 and 12.

Shape suffixes: B batch, T time, C features, N frames, P pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
from torch import Tensor

from claims import statistics
from claims.chart import Chart, Series
from claims.claim import Claim, Measured
from claims.trained import TrainingRun, training_run
from claims.trial import Trial
from claims.verdict import Control, Figure, Judgement, Verdict
from models.data import load
from models.norm import BatchNorm, LayerNorm
from models.sequence_norm import InstanceNorm
from models.training.batches import collate
from models.training.observation import observed
from models.zoo import configuration

_NORMS = ("layer", "batch")
_PAIRS = 100_000
_KEPT, _DESTROYED = 0.999, 0.6  # shares of pairs in order; 0.5 is what is left of no order at all
_CHANCE = 0.02  # by which the control may miss a half
_FRAMES = 12


def _run(norm: str, seed: int, quick: bool) -> TrainingRun:
    task, _, config = configuration(f"digits-tcn-{norm}")
    return training_run(task, config, seed, quick=quick)


def _needs(seed: int, quick: bool) -> Sequence[TrainingRun]:
    return [_run(norm, seed, quick) for norm in _NORMS]


def _measure_order(trial: Trial) -> Measured:
    return {norm: _concordances(trial, norm) for norm in _NORMS}


@torch.no_grad()
def _concordances(trial: Trial, norm: str) -> dict[str, float]:
    """Return the shares of pairs that leave a normaliser in the order in which they entered; means over layers."""
    model = trial.trained(_run(norm, trial.seed, trial.quick)).checkpoint.model()
    names = [name for name, module in model.named_modules() if isinstance(module, LayerNorm | BatchNorm)]
    entered: dict[str, Tensor] = {}

    def observe(name: str, x_BTC: Tensor, valid_BT: Tensor) -> None:
        entered[name] = x_BTC[valid_BT]

    held_out = load("digits").test
    batch = collate(held_out.sequences, held_out.labels)
    with observed(model, observe, names):
        model(batch.x, batch.length, model.initial_state(len(held_out)))
    rng = np.random.default_rng(trial.seed)
    found: dict[str, list[float]] = {}
    for name, x_NC in entered.items():
        module = cast("LayerNorm | BatchNorm", model.get_submodule(name))
        trained_NC = module(x_NC[None], torch.ones(1, len(x_NC), dtype=torch.bool))[0]
        plain_NC = (trained_NC - module.bias) / module.weight
        for what, y_NC in (("plain", plain_NC), ("trained", trained_NC)):
            found.setdefault(f"within {what}", []).append(_concordance(x_NC.T, y_NC.T, rng))
            found.setdefault(f"across {what}", []).append(_concordance(x_NC, y_NC, rng))
        found.setdefault("shuffled", []).append(_concordance(x_NC, x_NC[rng.permutation(len(x_NC))], rng))
    return {name: float(np.mean(values)) for name, values in found.items()}


def _concordance(x_NC: Tensor, y_NC: Tensor, rng: np.random.Generator) -> float:
    """Return the share of random pairs of rows that a column orders alike before and after."""
    first_P, second_P = (rng.integers(len(x_NC), size=_PAIRS) for _ in range(2))
    column_P = rng.integers(x_NC.shape[1], size=_PAIRS)
    before_P = x_NC[first_P, column_P] - x_NC[second_P, column_P]
    after_P = y_NC[first_P, column_P] - y_NC[second_P, column_P]
    told_apart = before_P != 0
    return float(((before_P * after_P) > 0)[told_apart].double().mean())


def _judge_order(measured: Sequence[Measured]) -> Judgement:
    def figure(norm: str, what: str) -> Figure:
        name = f"{norm}_{what.replace(' ', '_')}"
        return statistics.mean(name, [each[norm][what] for each in measured])

    figures = {
        (norm, what): figure(norm, what)
        for norm in _NORMS
        for what in ("within plain", "across plain", "within trained", "across trained")
    }
    keeps_plain = [figures["layer", "within plain"], figures["batch", "across plain"]]
    keeps = [figures["layer", "within trained"], figures["batch", "across trained"]]
    destroys = [figures["layer", "across trained"], figures["batch", "within trained"]]
    if all(each.value >= _KEPT for each in keeps) and all(each.value <= _DESTROYED for each in destroys):
        verdict, reason = Verdict.SUPPORTED, "supported"
    elif all(each.value >= _KEPT for each in keeps_plain):
        verdict, reason = Verdict.DEPENDS, "depends"
    else:
        verdict, reason = Verdict.REFUTED, "refuted"
    shuffled = figure("layer", "shuffled")
    whats = ("within plain", "within trained", "across plain", "across trained")
    series = [Series(name=norm, y=[figures[norm, what].value for what in whats]) for norm in _NORMS]
    return Judgement(
        verdict=verdict,
        reason=reason,
        key=figures["layer", "across trained"],
        control=Control(figure=shuffled, held=abs(shuffled.value - 0.5) < _CHANCE),
        figures=[each for key, each in figures.items() if key != ("layer", "across trained")],
        chart=Chart(x_label="", y_label="pairs in order", x=whats, series=series, kind="bars", percent=True),
    )


def _measure_time(trial: Trial) -> Measured:
    data = load("digits").train
    long = [sequence[:_FRAMES] for sequence in data.sequences if len(sequence) >= _FRAMES]
    rng = np.random.default_rng(trial.seed)
    x_BTC = torch.from_numpy(np.stack([long[index] for index in rng.permutation(len(long))[:128]])).double()
    x_BTC = (x_BTC - x_BTC.mean(dim=(0, 1))) / x_BTC.std(dim=(0, 1))
    layer, instance = LayerNorm(x_BTC.shape[2]).double(), InstanceNorm(x_BTC.shape[2]).double()
    return {"layer": _in_time(layer, x_BTC, rng), "instance": _in_time(instance, x_BTC, rng)}


@torch.no_grad()
def _in_time(norm: LayerNorm | InstanceNorm, x_BTC: Tensor, rng: np.random.Generator) -> dict[str, float]:
    """Return what the last frame's output owes to the frames before, and what is left of the levels' variation."""
    valid_BT = torch.ones(x_BTC.shape[:2], dtype=torch.bool)
    y_BTC = norm(x_BTC, valid_BT)
    others_BTC = x_BTC.clone()
    others_BTC[:, :-1] = x_BTC[torch.from_numpy(rng.permutation(len(x_BTC)))][:, :-1]
    moved = float((norm(others_BTC, valid_BT)[:, -1] - y_BTC[:, -1]).abs().max())
    level = {name: each_BTC.mean(dim=2).var(dim=1).mean() for name, each_BTC in (("before", x_BTC), ("after", y_BTC))}
    return {"moved": moved, "level_left": float(level["after"] / level["before"])}


def _judge_time(measured: Sequence[Measured]) -> Judgement:
    moved = statistics.mean("moved", [each["layer"]["moved"] for each in measured])
    left = statistics.mean("level_left", [100 * each["layer"]["level_left"] for each in measured], "%")
    if moved.value == 0 and statistics.below(left, 1.0):
        verdict, reason = Verdict.REFUTED, "refuted"
    elif statistics.above(left, 50.0):
        verdict, reason = Verdict.SUPPORTED, "supported"
    else:
        verdict, reason = Verdict.DEPENDS, "depends"
    instance = statistics.mean("instance_moved", [each["instance"]["moved"] for each in measured])
    return Judgement(
        verdict=verdict,
        reason=reason,
        key=left,
        control=Control(figure=instance, held=statistics.above(instance, 0.0)),
        figures=[moved],
    )


CLAIMS = (
    Claim(number=8, measure=_measure_order, judge=_judge_order, needs=_needs),
    Claim(number=12, measure=_measure_time, judge=_judge_time),
)
