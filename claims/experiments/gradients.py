"""What LayerNorm does to gradients: claim 29.

The test of Xu et al. 2019 (section 3.2, DetachNorm): a LayerNorm through whose mean and deviation no gradient goes. Its
outputs are those of LayerNorm to the bit, and only what goes back differs.

Shape suffixes: B batch, T time, C features.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from claims import statistics
from claims.chart import Chart, Series
from claims.claim import Claim, Measured
from claims.trained import TrainingRun, training_run
from claims.trial import Trial
from claims.verdict import Control, Judgement, Verdict
from models.config import EncoderConfig
from models.data import load
from models.norm import LayerNorm
from models.training.evaluation import score
from models.zoo import SequenceModel

_TASKS = ("vowels", "digits")
_NONE, _LAYER, _DETACHED = "none", "layer", "detached"
_VARIANTS = (_NONE, _LAYER, _DETACHED)
_ROUNDING = 1e-5  # of numbers of about 1, in float32
_LAYERS = 4  # deep enough that gradients have a way to go


class DetachedLayerNorm(LayerNorm):
    """LayerNorm whose moments count as constants on the way back."""

    def forward(self, x_BTC: Tensor, valid_BT: Tensor | None = None) -> Tensor:  # noqa: ARG002
        """Normalise each frame by itself."""
        with torch.no_grad():
            mean_BT1 = x_BTC.mean(dim=-1, keepdim=True)
            scale_BT1 = torch.rsqrt(x_BTC.var(dim=-1, keepdim=True, correction=0) + self.eps)
        return (x_BTC - mean_BT1) * scale_BT1 * self.weight + self.bias


def detach_moments(model: SequenceModel) -> None:
    """Put a DetachedLayerNorm in the place of every LayerNorm."""
    for name, module in list(model.named_modules()):
        if isinstance(module, LayerNorm):
            model.set_submodule(name, DetachedLayerNorm(len(module.weight)))


def _runs(seed: int, quick: bool) -> dict[str, TrainingRun]:
    runs = {}
    for task in _TASKS[:1] if quick else _TASKS:
        for variant in _VARIANTS:
            norm = _NONE if variant == _NONE else _LAYER
            prepare = f"{__name__}:detach_moments" if variant == _DETACHED else ""
            # Behind the residual sums, where all that goes back passes through the normaliser.
            config = EncoderConfig(norm=norm, layers=_LAYERS, norm_position="post")
            runs[f"{task} {variant}"] = training_run(task, config, seed, quick=quick, prepare=prepare)
    return runs


def _measure(trial: Trial) -> Measured:
    figures: Measured = {"accuracy": {}, "loss": {}}
    for name, run in _runs(trial.seed, trial.quick).items():
        held_out = score(trial.trained(run).checkpoint.model(), load(run.task).test)
        figures["loss"][name], figures["accuracy"][name] = held_out.loss, held_out.accuracy
    figures["forward"] = _largest_difference(trial.seed)
    return figures


def _largest_difference(seed: int) -> float:
    """Return how far the outputs of both forms are apart: they have to be the same but for rounding."""
    generator = torch.Generator().manual_seed(seed)
    x_BTC = torch.randn(4, 16, 64, generator=generator)
    with torch.no_grad():
        return float((LayerNorm(64)(x_BTC) - DetachedLayerNorm(64)(x_BTC)).abs().max())


def _judge(measured: Sequence[Measured]) -> Judgement:
    losses = {variant: [_mean(each["loss"], variant) for each in measured] for variant in _VARIANTS}
    gain = statistics.difference("gain", losses[_NONE], losses[_LAYER], "nats")
    backward = statistics.difference("backward", losses[_DETACHED], losses[_LAYER], "nats")
    forward = statistics.difference("forward", losses[_NONE], losses[_DETACHED], "nats")
    lost = np.subtract(losses[_DETACHED], losses[_LAYER])
    more = statistics.difference("more", lost, np.subtract(losses[_NONE], losses[_DETACHED]), "nats")
    if not statistics.above(gain, 0.0):
        verdict, reason = Verdict.NOT_SHOWN, "no_gain"
    elif statistics.above(backward, 0.0) and statistics.above(more, 0.0):
        verdict, reason = Verdict.SUPPORTED, "supported"
    elif statistics.above(backward, 0.0):
        verdict, reason = Verdict.DEPENDS, "depends"
    else:
        verdict, reason = Verdict.REFUTED, "refuted"
    control = statistics.mean("control", [each["forward"] for each in measured])
    accuracy = {
        variant: statistics.mean(f"accuracy_{variant}", [_mean(each["accuracy"], variant) for each in measured])
        for variant in _VARIANTS
    }
    names = list(measured[0]["loss"])
    series = Series(name="loss", y=[float(np.mean([each["loss"][name] for each in measured])) for name in names])
    return Judgement(
        verdict=verdict,
        reason=reason,
        key=backward,
        control=Control(figure=control, held=control.value < _ROUNDING),
        figures=[gain, forward, *accuracy.values()],
        chart=Chart(x_label="", y_label="held-out loss", x=names, series=[series], kind="bars"),
    )


def _mean(cells: dict[str, float], variant: str) -> float:
    return float(np.mean([value for name, value in cells.items() if name.endswith(f" {variant}")]))


CLAIMS = (
    Claim(number=29, measure=_measure, judge=_judge, needs=lambda seed, quick: list(_runs(seed, quick).values())),
)
