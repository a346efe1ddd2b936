"""Features of unlike kinds in one frame: claim 7.

Synthetic in one respect: real features are multiplied by factors from 1 to 1000, so that how unlike they are is known.

Shape suffixes: B batch, T time, C features.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from claims import statistics
from claims.chart import Chart, Series
from claims.claim import Claim, Measured
from claims.trained import Trained, TrainingRun, training_run
from claims.trial import Trial
from claims.verdict import Control, Figure, Judgement, Verdict
from models.data import load
from models.norm import BatchNorm, LayerNorm
from models.training.evaluation import score
from models.zoo import SequenceModel, build, configuration

_TASKS, _QUICK_TASKS = ("vowels", "digits"), ("vowels",)
_LARGEST = 1000.0  # factor of the last feature; that of the first is 1
_LARGE = 1.0  # points that count as a difference
_LAYER, _BATCH, _STANDARD, _ALIKE = "raw_layer", "raw_batch", "standardised_layer", "alike_batch"


class _Front(nn.Module):
    """Features times fixed factors, standardised or not, and a normaliser: what stands in place of the scaling."""

    factor: Tensor
    mean: Tensor
    deviation: Tensor

    def __init__(self, factor_C: Tensor, norm: LayerNorm | BatchNorm, frames_NC: Tensor | None = None) -> None:
        super().__init__()
        self.norm = norm
        mean_C = torch.zeros_like(factor_C) if frames_NC is None else (frames_NC * factor_C).mean(dim=0)
        deviation_C = torch.ones_like(factor_C) if frames_NC is None else (frames_NC * factor_C).std(dim=0)
        for name, value_C in (("factor", factor_C), ("mean", mean_C), ("deviation", deviation_C)):
            self.register_buffer(name, value_C)

    def forward(self, x_BTC: Tensor) -> Tensor:
        """Return x normalised; frames of zeros only are padding, and stay out of moments."""
        valid_BT = (x_BTC != 0).any(dim=2)
        y_BTC: Tensor = self.norm((x_BTC * self.factor - self.mean) / self.deviation, valid_BT)
        return y_BTC


def _put(model: SequenceModel, norm: type[LayerNorm | BatchNorm], largest: float, standardised: bool) -> None:
    features = model.task.feature_count
    factor_C = torch.logspace(0, float(np.log10(largest)), features)
    frames_NC = torch.from_numpy(np.concatenate(load(model.task.name).train.sequences)) if standardised else None
    front: Any = _Front(factor_C, norm(features), frames_NC)  # no front that models are built with
    model.front = front


def raw_layer(model: SequenceModel) -> None:
    """Put LayerNorm on features of unlike size."""
    _put(model, LayerNorm, _LARGEST, standardised=False)


def raw_batch(model: SequenceModel) -> None:
    """Put BatchNorm on features of unlike size."""
    _put(model, BatchNorm, _LARGEST, standardised=False)


def standardised_layer(model: SequenceModel) -> None:
    """Put LayerNorm on features of unlike size that were standardised with the training split's moments."""
    _put(model, LayerNorm, _LARGEST, standardised=True)


def alike_batch(model: SequenceModel) -> None:
    """Put BatchNorm on the features as they are."""
    _put(model, BatchNorm, 1.0, standardised=False)


_VARIANTS = {each.__name__: each for each in (raw_layer, raw_batch, standardised_layer, alike_batch)}


def _runs(seed: int, quick: bool) -> dict[tuple[str, str], TrainingRun]:
    runs = {}
    for task in _QUICK_TASKS if quick else _TASKS:
        _, _, config = configuration(f"{task}-tcn-none")
        for variant in _VARIANTS:
            runs[task, variant] = training_run(task, config, seed, quick=quick, prepare=f"{__name__}:{variant}")
    return runs


def _measure(trial: Trial) -> Measured:
    figures: Measured = {variant: {} for variant in _VARIANTS}
    for (task, variant), run in _runs(trial.seed, trial.quick).items():
        figures[variant][task] = _held_out(trial.trained(run), variant)
    return figures


def _held_out(trained: Trained, variant: str) -> float:
    checkpoint = trained.checkpoint
    model = build(checkpoint.task, checkpoint.architecture, checkpoint.config)
    _VARIANTS[variant](model)
    model.load_state_dict(checkpoint.weights)
    return score(model, load(checkpoint.task.name).test).accuracy


def _judge(measured: Sequence[Measured]) -> Judgement:
    accuracy = {variant: [float(np.mean(list(each[variant].values()))) for each in measured] for variant in _VARIANTS}
    against = partial(_difference, accuracy)
    batch, standard = against("than_batch", _LAYER, _BATCH), against("than_standardised", _LAYER, _STANDARD)
    worse = [each for each in (batch, standard) if statistics.below(each, -_LARGE)]
    if len(worse) == 2:
        verdict, reason = Verdict.SUPPORTED, "supported"
    else:
        verdict, reason = (Verdict.DEPENDS, "depends") if worse else (Verdict.REFUTED, "refuted")
    scale = against("scale", _BATCH, _ALIKE)
    figures = [statistics.mean(variant, [100 * value for value in accuracy[variant]], "%") for variant in _VARIANTS]
    series = Series(
        name="accuracy",
        y=[figure.value / 100 for figure in figures],
        low=[(figure.value if figure.low is None else figure.low) / 100 for figure in figures],
        high=[(figure.value if figure.high is None else figure.high) / 100 for figure in figures],
    )
    return Judgement(
        verdict=verdict,
        reason=reason,
        key=batch,
        control=Control(figure=scale, held=abs(scale.value) < _LARGE),
        figures=[standard, *figures],
        chart=Chart(x_label="", y_label="accuracy", x=list(_VARIANTS), series=[series], kind="bars", percent=True),
    )


def _difference(accuracy: dict[str, list[float]], name: str, one: str, other: str) -> Figure:
    return statistics.difference(name, accuracy[one], accuracy[other])


CLAIMS = (Claim(number=7, measure=_measure, judge=_judge, needs=lambda seed, quick: list(_runs(seed, quick).values())),)
